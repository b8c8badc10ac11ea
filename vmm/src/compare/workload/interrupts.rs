//! Interrupts of a device, from the moment at which it raises them.

use super::Model::{Emulated, Paravirtual};
use super::{Path, Workload};

const WAYS: &[Path] = &[
    Path {
        name: "pic",
        about: "8259, through the local APIC's LINT0; ended by a port write",
        args: "alarm-pic",
        model: Emulated,
        copies: None,
        textbook: None,
    },
    Path {
        name: "ioapic",
        about: "an edge of the IOAPIC; ended at the local APIC",
        args: "alarm-ioapic",
        model: Emulated,
        copies: None,
        textbook: None,
    },
    Path {
        name: "msi-x",
        about: "a message, without IOAPIC; ended at the local APIC",
        args: "alarm-msix",
        model: Emulated,
        copies: None,
        textbook: None,
    },
    Path {
        name: "pv-eoi",
        about: "a message; ended by a word of memory, KVM agreeing",
        args: "alarm-pv-eoi?",
        model: Paravirtual,
        copies: None,
        textbook: None,
    },
];

const PROGRAM: &str = "interrupt_work";

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "interrupt-handler",
        about: "device event to the first instruction of its handler",
        program: PROGRAM,
        args: "handler",
        paths: WAYS,
    },
    Workload {
        name: "interrupt-program",
        about: "device event to the program that waits for it",
        program: PROGRAM,
        args: "program",
        paths: WAYS,
    },
    Workload {
        name: "ipi",
        about: "interrupts of all other processors, or of the only one",
        program: "ipi_work",
        args: "",
        paths: &[
            Path {
                name: "lapic",
                about: "a write of the local APIC's command register for each",
                args: "ipi-apic",
                model: Emulated,
                copies: None,
                textbook: None,
            },
            Path {
                name: "pv-ipi",
                about: "a hypercall of KVM's for all; not on software KVM",
                args: "ipi-kvm?",
                model: Paravirtual,
                copies: None,
                textbook: None,
            },
        ],
    },
];
