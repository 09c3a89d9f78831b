//! `isolazi network create`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    common::Scene::of_root().records(
        "network create",
        &[
            "",
            "a b",
            "-x",
            "bridge",
            "host",
            "none",
            "a/b",
            "--subnet x web",
            "--subnet 10.9.0.1/24 web",
            "--subnet 10.9.0.0/24 --subnet 10.8.0.0/24 web",
            "--gateway x web",
            "--gateway 10.9.0.1 web",
            "--subnet 10.9.0.0/24 --gateway 10.8.0.1 web",
            "--subnet 10.9.0.0/24 --ip-range 10.8.0.0/28 web",
            "--subnet 10.9.0.0/24 --ip-range 10.0.0.0/8 web",
            "-d overlay web",
            "-o colour=red web",
            "-o mtu=fast web",
            "-o mtu=9 web",
            "--label = web",
        ],
    );
}

#[test]
fn an_ordinary_user_is_told_what_can_be_had() {
    let isolazi = testkit::Isolazi::ordinary();
    isolazi.run(&["network", "create", "web"]).fails(
        1,
        "Error: an ordinary user can't have networks of his own yet\nHint: `--network host` and `--network none` can be \
         had\n",
    );
}

#[test]
fn addresses_are_given_or_chosen_and_no_two_networks_share_any() {
    let isolazi = testkit::Isolazi::new();
    let wishes = [
        "network",
        "create",
        "--subnet",
        "10.91.0.0/24",
        "--gateway",
        "10.91.0.254",
        "--ip-range",
        "10.91.0.128/25",
        "--label",
        "a=1",
        "given",
    ];
    let id = isolazi.run(&wishes).ok();
    assert_eq!(id.len(), 65);
    let config = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{.IPRange}}{{end}}";
    assert_eq!(
        isolazi.run(&["network", "inspect", "-f", config, "given"]).ok(),
        "10.91.0.0/24 10.91.0.254 10.91.0.128/25\n"
    );
    isolazi.run(&["network", "create", "given"]).fails(1, "Error: network with name given already exists\n");
    isolazi.run(&["network", "create", "--subnet", "10.91.0.128/25", "other"]).fails(
        1,
        "Error: invalid pool request: Pool overlaps with other one on this address space: 10.91.0.128/25 is in network \
         given\nHint: choose another `--subnet`, or leave it out\n",
    );
    // What a killed maker or remover left goes with the next one.
    for rubbish in [".new-1", ".gone-1"] {
        std::fs::create_dir(isolazi.root().join("networks").join(rubbish)).unwrap();
    }
    isolazi.run(&["network", "create", "--ipv6", "--internal", "chosen"]).ok();
    let left = std::fs::read_dir(isolazi.root().join("networks")).unwrap().count();
    assert_eq!(left, 2);
    let all = "{{.EnableIPv6}} {{.Internal}} {{len .IPAM.Config}}";
    assert_eq!(isolazi.run(&["network", "inspect", "-f", all, "chosen"]).ok(), "true true 2\n");
}
