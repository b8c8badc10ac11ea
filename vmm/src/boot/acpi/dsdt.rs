//! The DSDT: devices that no bus tells of (ACPI 6.5 19), and how the machine is switched off.

use super::super::layout;
use super::super::platform::{Keyboard, Platform};
use super::{OEM, OEM_REVISION, OEM_TABLE};
use acpi_tables::Aml;
use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Interrupt, Memory32Fixed, Name,
    Package, PackageBuilder, ResourceTemplate, Scope, ZERO,
};
use acpi_tables::sdt::Sdt;
use devices::bus::BusRange;
use devices::legacy::{acpi_pm, cmos};
use devices::pci::ecam;

const HEADER_BYTES: u32 = 36;
const CMOS_PORT: u16 = 0x70;
/// Function number in a _PRT entry: all functions of the device.
const ALL_FUNCTIONS: u32 = 0xffff;

/// Objects of one kind, to be put together by reference.
type Object = Box<dyn Aml>;

fn refs(objects: &[Object]) -> Vec<&dyn Aml> {
    objects.iter().map(|object| &**object).collect()
}

fn aml(object: &dyn Aml) -> Object {
    let mut bytes = Vec::new();
    object.to_aml_bytes(&mut bytes);
    Box::new(Bytes(bytes))
}

/// AML that is made already.
struct Bytes(Vec<u8>);

impl Aml for Bytes {
    fn to_aml_bytes(&self, sink: &mut dyn acpi_tables::AmlSink) {
        sink.vec(&self.0);
    }
}

pub(super) fn table(platform: &Platform) -> Sdt {
    let clock = [io(CMOS_PORT, cmos::PORTS as u8)];
    let mut devices = vec![device("RTC_", "PNP0B00", 0, &clock)];
    if platform.keyboard == Keyboard::Present {
        let resources = [io(0x60, 1), io(0x64, 1), interrupt(1)];
        devices.push(device("KBD_", "PNP0303", 0, &resources));
    }
    for (index, (port, irq)) in (1..).zip(&platform.serial_ports) {
        let resources = [io(*port, 8), interrupt((*irq).into())];
        devices.push(device(&format!("COM{index}"), "PNP0501", index, &resources));
    }
    for (index, (base, gsi)) in (0..).zip(&platform.virtio_mmio) {
        let size = layout::VIRTIO_MMIO_SIZE as u32;
        let resources = [aml(&Memory32Fixed::new(true, *base, size)), interrupt(*gsi)];
        devices.push(virtio_mmio(index, &resources));
    }
    if platform.pci_devices > 0 {
        devices.push(host_bridge(platform));
    }
    devices.push(reserved(platform));
    let s5 = acpi_pm::S5_SLEEP_TYPE;
    let mut dsdt = Sdt::new(*b"DSDT", HEADER_BYTES, 2, OEM, OEM_TABLE, OEM_REVISION);
    let objects = [
        aml(&Scope::new("\\_SB_".into(), refs(&devices))),
        aml(&Name::new(
            "\\_S5_".into(),
            &Package::new(vec![&s5, &s5, &ZERO, &ZERO]),
        )),
    ];
    let mut bytes = Vec::new();
    for object in &objects {
        object.to_aml_bytes(&mut bytes);
    }
    dsdt.append_slice(&bytes);
    dsdt
}

fn io(base: u16, count: u8) -> Object {
    aml(&IO::new(base, base, 1, count))
}

/// An edge-triggered interrupt that nobody shares.
fn interrupt(gsi: u32) -> Object {
    aml(&Interrupt::new(true, true, false, false, gsi))
}

fn named(name: &str, value: &dyn Aml) -> Object {
    aml(&Name::new(name.into(), value))
}

fn resources(objects: &[Object]) -> Object {
    named("_CRS", &ResourceTemplate::new(refs(objects)))
}

fn device(name: &str, id: &str, uid: u8, with: &[Object]) -> Object {
    let objects = [
        named("_HID", &EISAName::new(id)),
        named("_UID", &uid),
        resources(with),
    ];
    aml(&Device::new(name.into(), refs(&objects)))
}

/// As Linux's virtio-mmio driver looks for it.
fn virtio_mmio(index: u8, with: &[Object]) -> Object {
    let objects = [
        named("_HID", &"LNRO0005"),
        named("_UID", &index),
        named("_CCA", &1_u8),
        resources(with),
    ];
    let name = format!("VM{index:02}");
    aml(&Device::new(name.as_str().into(), refs(&objects)))
}

fn host_bridge(platform: &Platform) -> Object {
    let (memory, io_window) = (layout::PCI_WINDOWS.memory, layout::PCI_WINDOWS.io);
    let last = |base: u64, len: u64| base + len - 1;
    let ports = |range: &BusRange| {
        let last = last(range.base, range.len) as u16;
        aml(&AddressSpace::new_io(range.base as u16, last, None))
    };
    let mut windows = vec![
        aml(&AddressSpace::new_bus_number(0_u16, 0)),
        io(0xcf8, 8),
        ports(&io_window),
        aml(&AddressSpace::new_memory(
            AddressSpaceCacheable::NotCacheable,
            true,
            memory.base as u32,
            last(memory.base, memory.len) as u32,
            None,
        )),
    ];
    windows.extend(platform.pci_ports.iter().map(ports));
    let objects = [
        named("_HID", &EISAName::new("PNP0A08")),
        named("_CID", &EISAName::new("PNP0A03")),
        named("_UID", &ZERO),
        named("_SEG", &ZERO),
        named("_BBN", &ZERO),
        named("_CCA", &1_u8),
        resources(&windows),
        named("_PRT", &interrupt_routing(platform)),
    ];
    aml(&Device::new("PCI0".into(), refs(&objects)))
}

/// INTA# of each device that there is (6.2.13): address, pin, no link device, GSI.
fn interrupt_routing(platform: &Platform) -> PackageBuilder {
    let mut table = PackageBuilder::new();
    for device in 1..platform.pci_devices {
        let address = u32::from(device) << 16 | ALL_FUNCTIONS;
        let gsi = Platform::pci_gsi(device);
        table.add_element(&Package::new(vec![&address, &ZERO, &ZERO, &gsi]));
    }
    table
}

/// Addresses that the system must leave alone: configuration space, power management.
fn reserved(platform: &Platform) -> Object {
    let mut addresses = vec![io(acpi_pm::EVENT_PORT, acpi_pm::PORTS as u8)];
    if platform.pci_devices > 0 {
        let (base, size) = (layout::PCI_ECAM as u32, ecam::BUS_BYTES as u32);
        addresses.push(aml(&Memory32Fixed::new(true, base, size)));
    }
    device("MBRD", "PNP0C02", 0, &addresses)
}
