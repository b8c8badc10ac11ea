//! Pages of HTML: one file with its style and charts inside; nothing is fetched or run.

use crate::doctor::KvmKind;
use crate::report::HostReport;
use crate::table;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// A page from its title on; `body` writes what is in it.
pub(crate) fn page(title: &str, body: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    let title = escaped(title);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    body(&mut out);
    out.push_str("</body>\n</html>\n");
    out
}

/// Text that is no markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// The head of a page: what it is, and facts of the host and others.
pub(crate) fn head(
    out: &mut String,
    title: &str,
    about: &str,
    host: &HostReport,
    facts: &[(&str, String)],
) {
    let (title, about) = (escaped(title), escaped(about));
    let _ = write!(out, "<header>\n<h1>{title}</h1>\n<p>{about}</p>\n<dl>\n");
    for (name, fact) in host_facts(host).iter().chain(facts) {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(fact));
    }
    out.push_str("</dl>\n</header>\n");
}

fn host_facts(host: &HostReport) -> [(&'static str, String); 5] {
    let kvm = match host.kvm {
        Some(KvmKind::Hardware) => "hardware: the processor runs the guest, of every ring",
        Some(KvmKind::Software) => "software: ring 3 runs natively, ring 0 is interpreted",
        None => "not probed",
    };
    let ring0 = host.ring0_instruction_ns.map(|ns| format!("{ns:.1} ns"));
    [
        ("KVM", kvm.to_owned()),
        (
            "a ring-0 instruction",
            ring0.unwrap_or("not probed".to_owned()),
        ),
        ("Linux", host.linux.clone()),
        ("processors", host.cpus.to_string()),
        ("memory", table::bytes(host.memory_bytes)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_does_not_become_markup() {
        assert_eq!(
            escaped("<a href=\"x\">&"),
            "&lt;a href=&quot;x&quot;&gt;&amp;"
        );
    }
}
