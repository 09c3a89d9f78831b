//! The small controllers, and v2's files that a configuration names itself.

use super::{Refusal, Section, Version, invalid};
use error::Result;
use oci::runtime::{HugepageLimit, Network, Pids, Rdma};
use std::collections::BTreeMap;

pub(super) fn pids(section: &mut Section, pids: Pids) -> Result<()> {
    match pids.limit {
        // What Go programs write who mean nothing, and what the specification allowed to mean "without limit".
        None | Some(0) => {}
        Some(-1) => section.set_or(Refusal::Harmless, "pids.limit", "pids.max", "max"),
        Some(limit) if limit > 0 => section.set("pids.limit", "pids.max", limit),
        Some(limit) => return Err(invalid("pids.limit", format_args!("{limit} is neither a number nor -1"))),
    }
    Ok(())
}

pub(super) fn huge_pages(section: &mut Section, limits: &[HugepageLimit]) -> Result<()> {
    for (index, limit) in limits.iter().enumerate() {
        let field = format!("hugepageLimits[{index}]");
        let size = &limit.page_size;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid(&field, format_args!("`{size}` is not a page size such as `2MB`")));
        }
        let file = if section.version == Version::V1 { "limit_in_bytes" } else { "max" };
        section.set(&field, &format!("hugetlb.{size}.{file}"), limit.limit);
        // Also what is only reserved, so that a payload fails at mmap and not at its first touch (kernel 5.7).
        section.set_or(Refusal::Optional, &field, &format!("hugetlb.{size}.rsvd.{file}"), limit.limit);
    }
    Ok(())
}

pub(super) fn rdma(section: &mut Section, devices: &BTreeMap<String, Rdma>) -> Result<()> {
    for (device, limits) in devices {
        let field = format!("rdma[{device}]");
        check_word(&field, device)?;
        let mut value = device.clone();
        for (key, limit) in [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)] {
            if let Some(limit) = limit {
                value.push_str(&format!(" {key}={limit}"));
            }
        }
        if value != *device {
            section.set(&field, "rdma.max", value);
        }
    }
    Ok(())
}

pub(super) fn class(section: &mut Section, network: &Network) {
    if let Some(class) = network.class_id.filter(|class| *class != 0) {
        section.set("network.classID", "net_cls.classid", class);
    }
}

pub(super) fn priorities(section: &mut Section, network: &Network) -> Result<()> {
    for (index, interface) in network.priorities.iter().enumerate() {
        let field = format!("network.priorities[{index}]");
        check_word(&field, &interface.name)?;
        section.set(&field, "net_prio.ifpriomap", format!("{} {}", interface.name, interface.priority));
    }
    Ok(())
}

fn check_word(field: &str, word: &str) -> Result<()> {
    if word.is_empty() || word.contains(char::is_whitespace) {
        return Err(invalid(field, format_args!("`{word}` is not a name")));
    }
    Ok(())
}

/// The controller of a file that `unified` names: what stands before the first point.
pub(super) fn unified_controller(file: &str) -> Result<&str> {
    let field = format!("unified[{file}]");
    // It decides which processes are in the cgroup or whether they live, and limits nothing.
    if matches!(file, "cgroup.procs" | "cgroup.threads" | "cgroup.kill" | "cgroup.type" | "cgroup.subtree_control") {
        return Err(invalid(&field, "is no limit"));
    }
    match file.split_once('.') {
        Some((controller, rest)) if !controller.is_empty() && !rest.is_empty() && !file.contains(['/', '\0']) => {
            Ok(controller)
        }
        _ => Err(invalid(&field, "is not the name of a cgroup's file such as `memory.high`")),
    }
}
