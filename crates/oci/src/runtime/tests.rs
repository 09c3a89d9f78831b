//! What holds for the document as a whole: small when written, complete when read.

use super::*;
use serde_json::Value;

/// Every section once, in the order in which we write.
const FULL: &str = r#"{"ociVersion":"1.2.1","process":{"terminal":true,"consoleSize":{"height":24,"width":80},"user":{"uid":1,"gid":2,"umask":18,"additionalGids":[3]},"args":["sh"],"env":["A=b"],"cwd":"/","capabilities":{"bounding":["CAP_CHOWN"]},"rlimits":[{"type":"RLIMIT_NOFILE","hard":18446744073709551615,"soft":1024}],"noNewPrivileges":true,"oomScoreAdj":-5,"scheduler":{"policy":"SCHED_BATCH","nice":5},"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":4},"execCPUAffinity":{"initial":"0","final":"1-2"},"novel":1},"root":{"path":"rootfs","readonly":true},"hostname":"h","mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/d","type":"bind","source":"/x","options":["rbind"],"uidMappings":[{"containerID":0,"hostID":1000,"size":1}]}],"hooks":{"createRuntime":[{"path":"/h","args":["h"],"timeout":3}]},"annotations":{"a":"b"},"linux":{"sysctl":{"net.ipv4.ip_forward":"1"},"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}],"memory":{"limit":1048576,"disableOOMKiller":true},"cpu":{"shares":1024,"quota":-1,"cpus":"0-1"},"pids":{"limit":100},"blockIO":{"weight":10,"weightDevice":[{"major":8,"minor":0,"weight":500}],"throttleReadIOPSDevice":[{"major":8,"minor":0,"rate":9}]},"hugepageLimits":[{"pageSize":"2MB","limit":0}],"unified":{"memory.high":"1"}},"cgroupsPath":"/x/y","namespaces":[{"type":"pid"},{"type":"network","path":"/proc/1/ns/net"}],"devices":[{"type":"c","path":"/dev/fuse","major":10,"minor":229,"fileMode":438,"uid":0,"gid":0}],"seccomp":{ "defaultAction" : "SCMP_ACT_ALLOW" },"maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],"timeOffsets":{"monotonic":{"secs":-5}},"intelRdt":{"closID":"c","enableCMT":true},"netDevices":{"eth0":{"name":"lan"}},"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0"}},"vm":{"hypervisor":{"path":"/x"}}}"#;

#[test]
fn a_full_document_survives_reading_and_writing_byte_for_byte() {
    let spec: Spec = serde_json::from_str(FULL).unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), FULL);
}

/// Found by fuzzing: without `float_roundtrip` the last digit changes each time. Such a limit is refused later on.
#[test]
fn a_number_that_means_nothing_is_written_as_it_was_read() {
    let text = r#"{"hugepageLimits":[{"limit":922337203685.7716,"pageSize":"2MB"}]}"#;
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(value.to_string(), text);
}

#[test]
fn the_seccomp_section_stays_text_until_it_is_read() {
    let spec: Spec = serde_json::from_str(FULL).unwrap();
    let text = spec.linux.unwrap().seccomp.unwrap();
    assert_eq!(text.text(), r#"{ "defaultAction" : "SCMP_ACT_ALLOW" }"#);
    let section: Seccomp = serde_json::from_str(text.text()).unwrap();
    assert_eq!((section.default_action, section.syscalls.len()), (seccomp::Action::Allow, 0));
}

/// The document as it is without each of its fields in turn, and with `null` there.
fn without_and_with_null(document: &Value) -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(path) = waiting.pop() {
        let below: Vec<String> = match document.pointer(&path).unwrap() {
            Value::Object(fields) => fields.keys().cloned().collect(),
            Value::Array(values) => (0..values.len()).map(|index| index.to_string()).collect(),
            _ => continue,
        };
        waiting.extend(below.iter().map(|name| format!("{path}/{name}")));
        for name in below {
            let (mut without, mut null) = (document.clone(), document.clone());
            let Some(Value::Object(fields)) = without.pointer_mut(&path) else { continue };
            fields.remove(&name);
            null.pointer_mut(&path).unwrap()[&name] = Value::Null;
            found.push((format!("{path}/{name}"), without, null));
        }
    }
    found
}

#[test]
fn null_is_what_is_absent_in_every_field() {
    fn check<T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(document: &Value) {
        let parse = |value: &Value| read::<T>(value.to_string().as_bytes());
        for (path, without, null) in without_and_with_null(document) {
            match (parse(&without), parse(&null)) {
                (Ok(without), Ok(null)) => assert_eq!(null, without, "{path}"),
                (without, null) => assert!(without.is_err() && null.is_err(), "{path}: {without:?} {null:?}"),
            }
        }
    }
    let mut full: Value = serde_json::from_str(FULL).unwrap();
    // What nobody knows stays as it is, and the seccomp section as it was written.
    full.as_object_mut().unwrap().remove("vm");
    full["process"].as_object_mut().unwrap().remove("novel");
    full["linux"].as_object_mut().unwrap().remove("seccomp");
    check::<Spec>(&full);
    check::<Process>(&full["process"]);
    check::<Resources>(&full["linux"]["resources"]);
    check::<Seccomp>(&serde_json::json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/a", "listenerMetadata": "b",
        "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 2,
            "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}]
    }));
}

#[test]
fn defaults_are_not_written() {
    let spec = Spec { process: Some(Process::default()), linux: Some(Linux::default()), ..Spec::default() };
    let expected = r#"{"ociVersion":"1.2.1","process":{"user":{"uid":0,"gid":0},"cwd":""},"linux":{}}"#;
    assert_eq!(serde_json::to_string(&spec).unwrap(), expected);
}

#[test]
fn an_unknown_namespace_is_an_error_as_the_specification_demands() {
    let result = serde_json::from_str::<Spec>(r#"{"ociVersion":"1.0.0","linux":{"namespaces":[{"type":"dream"}]}}"#);
    assert!(result.unwrap_err().to_string().starts_with("unknown variant `dream`"));
}

#[test]
fn states_use_the_specifications_words() {
    let state = State {
        oci_version: VERSION.into(),
        id: "web".into(),
        status: Status::Created,
        pid: Some(7),
        bundle: "/b".into(),
        annotations: BTreeMap::new(),
    };
    let expected = r#"{"ociVersion":"1.2.1","id":"web","status":"created","pid":7,"bundle":"/b"}"#;
    assert_eq!(serde_json::to_string(&state).unwrap(), expected);
}
