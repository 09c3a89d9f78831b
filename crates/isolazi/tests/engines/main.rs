//! Debian's podman, Docker and containerd run containers by our OCI runtime, and notice no difference to their own.
//!
//! One engine a test, since a daemon takes seconds to start; each makes many checks in it, two at a time. A check that
//! fails does not keep the others from running, and the test names all that failed.
#![allow(clippy::print_stdout, reason = "a failed test shows which check took how long")]
#![allow(unreachable_pub, reason = "a test program has no callers")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod confinement;
mod container;
mod containerd;
mod exec;
mod files;
mod health;
mod joining;
mod life;
mod many;
mod podman;
mod resources;
mod terminal;
mod user;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::Engine;

/// Most of a check is an engine's work on a processor, and there are two or more.
const LANES: usize = 2;

type Check = (&'static str, fn(&Engine));

/// The name of a check is that of its function.
macro_rules! checks {
    ($($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => {
        &[$($((stringify!($name), $module::$name as fn(&Engine))),*),*]
    };
}

/// What holds for everybody, with every engine that has Docker's command line.
const COMMON: &[Check] = checks! {
    life::{
        exit_codes_are_the_payloads_or_say_why_it_did_not_start,
        the_three_streams_arrive,
        a_detached_container_runs_and_its_log_can_be_read,
        a_signal_reaches_the_payload,
        stop_lets_the_payload_end_and_start_begins_anew,
        a_payload_that_ignores_its_stop_signal_is_killed,
        a_removed_container_leaves_no_process,
    },
    exec::{
        exec_has_its_own_exit_code,
        exec_has_user_environment_folder_and_input,
        exec_joins_every_namespace_and_has_no_more_rights,
        exec_in_the_background_goes_on,
        exec_works_twenty_times_in_a_row,
        exec_ends_with_the_container,
    },
    terminal::{
        a_shell_on_a_terminal_has_its_window_size_and_exit_code,
        exec_has_a_terminal_of_its_own,
        a_terminal_works_without_input,
    },
    files::{
        a_read_only_root_refuses_and_its_tmpfs_takes,
        binds_are_writable_or_read_only,
        dev_holds_the_usual_devices_and_the_asked_ones,
        a_payload_has_three_descriptors,
    },
    user::{
        user_group_and_folder_are_as_asked,
        environment_and_arguments_arrive_whole,
    },
    confinement::{
        capabilities_are_dropped_and_added,
        no_new_privileges_and_seccomp_are_set,
        privileged_lifts_the_confinement,
        hidden_and_read_only_paths_of_proc_stay_so,
        host_name_and_sysctls_are_set,
        limits_of_a_process_are_set,
    },
    joining::{
        every_namespace_is_the_containers_own,
        namespaces_of_another_container_are_joined,
        namespaces_of_the_host_are_kept,
    },
    many::{twenty_containers_at_once},
    health::{a_health_check_sees_both},
    life::{an_init_is_process_one_and_reaps},
};

/// What needs a cgroup of one's own.
const LIMITED: &[Check] = checks! {
    resources::{
        limits_are_in_the_cgroup_and_gone_afterwards,
        limits_are_enforced,
        too_much_memory_is_seen_as_such,
        stats_tell_memory_and_processes,
        a_paused_payload_stands_still,
        limits_of_a_running_container_change,
        devices_that_were_not_given_cannot_be_opened,
    },
};

#[test]
fn roots_podman_runs_on_it() {
    all(&Engine::podman(), &[COMMON, LIMITED, podman::CHECKS, podman::ROOTS_CHECKS]);
}

#[test]
fn an_ordinary_users_podman_runs_on_it() {
    all(&Engine::ordinary_podman(), &[COMMON, podman::CHECKS]);
}

#[test]
fn docker_runs_on_it() {
    all(&Engine::docker(), &[COMMON, LIMITED, checks! { many::{the_processes_are_listed} }]);
}

#[test]
fn containerd_runs_on_it() {
    all(&Engine::containerd(), &[containerd::CHECKS]);
}

fn all(engine: &Engine, lists: &[&[Check]]) {
    let checks: Vec<Check> = lists.concat();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let lane = || {
        while let Some((name, check)) = checks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = std::time::Instant::now();
            if catch_unwind(AssertUnwindSafe(|| check(engine))).is_err() {
                println!("{:?}: check `{name}` failed", engine.kind());
                failed.lock().unwrap().push(*name);
            }
            println!("{:?}: {name}: {} ms", engine.kind(), started.elapsed().as_millis());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            // By a named thread of std's, which shares this test's captured output.
            std::thread::Builder::new().name(format!("{:?}", engine.kind())).spawn_scoped(scope, lane).unwrap();
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} checks failed: {failed:#?}", failed.len(), checks.len());
    container::none_is_left(engine);
}
