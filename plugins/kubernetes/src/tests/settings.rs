//! What each property does to the answers.

use super::harness::{Case, check, glued, none, some};

#[tokio::test]
async fn pods_insecure_answers_for_any_address_in_a_namespace() {
    check(
        "cluster.local",
        "pods insecure",
        &[
            none("shop.pod.cluster.local. A", "NODATA"),
            none("shop.pod.cluster.local. TXT", "NXDOMAIN"),
            none("ghost.pod.cluster.local. A", "NXDOMAIN"),
            some("10-0-0-1.shop.pod.cluster.local. A", &["10-0-0-1.shop.pod.cluster.local. 5 IN A 10.0.0.1"]),
            some("10-0-0-1.SHOP.Pod.cluster.local. A", &["10-0-0-1.SHOP.Pod.cluster.local. 5 IN A 10.0.0.1"]),
            none("10-0-0-1.shop.pod.cluster.local. AAAA", "NODATA"),
            none("10-0-0-1.shop.pod.cluster.local. MX", "NODATA"),
            none("10-0-0-1.shop.pod.cluster.local. TXT", "NODATA"),
            none("10-0-0-1.shop.pod.cluster.local. CNAME", "NODATA"),
            none("10-0-0-1.ghost.pod.cluster.local. A", "NXDOMAIN"),
            none("10-0-0-256.shop.pod.cluster.local. A", "NXDOMAIN"),
            none("10-0-0.shop.pod.cluster.local. A", "NXDOMAIN"),
            none("web.shop.pod.cluster.local. A", "NXDOMAIN"),
            some(
                "2001-db8--1.shop.pod.cluster.local. AAAA",
                &["2001-db8--1.shop.pod.cluster.local. 5 IN AAAA 2001:db8::1"],
            ),
            none("2001-db8--1.shop.pod.cluster.local. A", "NODATA"),
            some(
                "x.10-0-0-1.shop.pod.cluster.local. A",
                &["x.10-0-0-1.shop.pod.cluster.local. 5 IN A 10.0.0.1"],
            ),
            some(
                "_x._y.10-0-0-1.shop.pod.cluster.local. A",
                &["_x._y.10-0-0-1.shop.pod.cluster.local. 5 IN A 10.0.0.1"],
            ),
            none("x.y.z.10-0-0-1.shop.pod.cluster.local. A", "NXDOMAIN"),
            glued(
                "10-0-0-1.shop.pod.cluster.local. SRV",
                &["10-0-0-1.shop.pod.cluster.local. 5 IN SRV 0 100 0 10-0-0-1.shop.pod.cluster.local."],
                &["10-0-0-1.shop.pod.cluster.local. 5 IN A 10.0.0.1"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn pods_verified_answers_for_pods_that_run_there() {
    check(
        "cluster.local",
        "pods verified",
        &[
            none("shop.pod.cluster.local. A", "NODATA"),
            some(
                "10-244-1-10.shop.pod.cluster.local. A",
                &["10-244-1-10.shop.pod.cluster.local. 5 IN A 10.244.1.10"],
            ),
            some(
                "fd00-10-244-1--10.shop.pod.cluster.local. AAAA",
                &["fd00-10-244-1--10.shop.pod.cluster.local. 5 IN AAAA fd00:10:244:1::10"],
            ),
            none("10-244-1-10.data.pod.cluster.local. A", "NXDOMAIN"),
            none("10-244-1-10.ghost.pod.cluster.local. A", "NXDOMAIN"),
            none("10-0-0-1.shop.pod.cluster.local. A", "NXDOMAIN"),
            none("10-244-1-66.shop.pod.cluster.local. A", "NXDOMAIN"),
            none("10-244-1-67.shop.pod.cluster.local. A", "NXDOMAIN"),
            none("web.shop.pod.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn pods_disabled_have_no_names() {
    check(
        "cluster.local",
        "pods disabled",
        &[
            none("pod.cluster.local. A", "NODATA"),
            none("shop.pod.cluster.local. A", "NXDOMAIN"),
            none("10-244-1-10.shop.pod.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

const REVERSE: &str = "cluster.local 10.in-addr.arpa ip6.arpa";

#[tokio::test]
async fn addresses_lead_back_to_services_and_endpoints() {
    check(
        REVERSE,
        "",
        &[
            some("7.7.96.10.in-addr.arpa. PTR", &["7.7.96.10.in-addr.arpa. 5 IN PTR web.shop.svc.cluster.local."]),
            some("7.7.96.10.IN-addr.ARPA. PTR", &["7.7.96.10.IN-addr.ARPA. 5 IN PTR web.shop.svc.cluster.local."]),
            some(
                "10.1.244.10.in-addr.arpa. PTR",
                &["10.1.244.10.in-addr.arpa. 5 IN PTR 10-244-1-10.web.shop.svc.cluster.local."],
            ),
            some(
                "4.1.244.10.in-addr.arpa. PTR",
                &["4.1.244.10.in-addr.arpa. 5 IN PTR db-0.db.data.svc.cluster.local."],
            ),
            some(
                "9.2.244.10.in-addr.arpa. PTR",
                &["9.2.244.10.in-addr.arpa. 5 IN PTR 10-244-2-9.db.data.svc.cluster.local."],
            ),
            none("10.2.244.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("1.1.1.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("7.96.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("1.7.7.96.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("07.7.96.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("256.7.96.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("10.in-addr.arpa. PTR", "NODATA"),
            none("10.in-addr.arpa. A", "NODATA"),
            none("7.7.96.10.in-addr.arpa. A", "NXDOMAIN"),
            none("7.7.96.10.in-addr.arpa. TXT", "NXDOMAIN"),
            none("7.7.96.10.in-addr.arpa. CNAME", "NXDOMAIN"),
            none("web.shop.svc.10.in-addr.arpa. A", "NXDOMAIN"),
            none("shop.svc.10.in-addr.arpa. A", "NXDOMAIN"),
            some(
                "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. PTR",
                &["9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa. 5 IN PTR both.shop.svc.cluster.local."],
            ),
            some(
                "4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.4.2.0.0.1.0.0.0.0.D.F.ip6.arpa. PTR",
                &["4.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.4.2.0.0.1.0.0.0.0.D.F.ip6.arpa. 5 IN PTR db-0.db.data.svc.cluster.local."],
            ),
            none("0.d.f.ip6.arpa. PTR", "NXDOMAIN"),
            none("g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa. PTR", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn addresses_of_namespaces_that_are_not_served_lead_nowhere() {
    check(
        REVERSE,
        "namespaces shop ghost",
        &[
            some(
                "7.7.96.10.in-addr.arpa. PTR",
                &["7.7.96.10.in-addr.arpa. 5 IN PTR web.shop.svc.cluster.local."],
            ),
            none("4.1.244.10.in-addr.arpa. PTR", "NXDOMAIN"),
            none("9.9.96.10.in-addr.arpa. PTR", "NXDOMAIN"),
        ],
    )
    .await;
    // Without the list, the address of a service in a namespace that is gone still has its name.
    check(
        REVERSE,
        "",
        &[some(
            "9.9.96.10.in-addr.arpa. PTR",
            &["9.9.96.10.in-addr.arpa. 5 IN PTR orphan.ghost.svc.cluster.local."],
        )],
    )
    .await;
}

#[tokio::test]
async fn only_the_named_namespaces_are_answered_for() {
    let cases = [
        some("web.shop.svc.cluster.local. A", &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"]),
        none("db.data.svc.cluster.local. A", "NXDOMAIN"),
        none("data.svc.cluster.local. A", "NXDOMAIN"),
        none("shop.svc.cluster.local. A", "NODATA"),
    ];
    check("cluster.local", "namespaces shop", &cases).await;
    check("cluster.local", "namespaces shop ghost", &cases).await;
    check("cluster.local", "namespace_labels team=web", &cases).await;
    check("cluster.local", "namespaces Shop", &[none("web.shop.svc.cluster.local. A", "NXDOMAIN")])
        .await;
}

#[tokio::test]
async fn only_labelled_objects_are_seen() {
    check(
        "cluster.local",
        "labels tier in (front, back)",
        &[
            some(
                "web.shop.svc.cluster.local. A",
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            none("10-244-1-10.web.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("api.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("quiet.svc.cluster.local. A", "NODATA"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_ttl_is_that_of_every_record() {
    check(
        "cluster.local 10.in-addr.arpa",
        "ttl 30\npods insecure",
        &[
            some("web.shop.svc.cluster.local. A", &["web.shop.svc.cluster.local. 30 IN A 10.96.7.7"]),
            some("7.7.96.10.in-addr.arpa. PTR", &["7.7.96.10.in-addr.arpa. 30 IN PTR web.shop.svc.cluster.local."]),
            some("10-0-0-1.shop.pod.cluster.local. A", &["10-0-0-1.shop.pod.cluster.local. 30 IN A 10.0.0.1"]),
            some("dns-version.cluster.local. TXT", &["dns-version.cluster.local. 28800 IN TXT 1.1.0"]),
            glued(
                "_http._tcp.web.shop.svc.cluster.local. SRV",
                &["_http._tcp.web.shop.svc.cluster.local. 30 IN SRV 0 100 80 web.shop.svc.cluster.local."],
                &["web.shop.svc.cluster.local. 30 IN A 10.96.7.7"],
            ),
        ],
    )
    .await;
    check(
        "cluster.local",
        "ttl 0",
        &[some("web.shop.svc.cluster.local. A", &["web.shop.svc.cluster.local. 0 IN A 10.96.7.7"])],
    )
    .await;
}

#[tokio::test]
async fn names_that_do_not_exist_fall_through() {
    let below = some(
        "nosuch.shop.svc.cluster.local. A",
        &["nosuch.shop.svc.cluster.local. 60 IN A 192.0.2.81"],
    );
    let here = none("nosuch.shop.svc.cluster.local. A", "NXDOMAIN");
    let reverse = some(
        "9.9.9.10.in-addr.arpa. PTR",
        &["9.9.9.10.in-addr.arpa. 60 IN PTR other.example.org."],
    );
    let no_reverse = none("9.9.9.10.in-addr.arpa. PTR", "NXDOMAIN");
    // NODATA never falls through.
    let nodata = || none("web.shop.svc.cluster.local. AAAA", "NODATA");
    let zones = "cluster.local 10.in-addr.arpa";
    check(zones, "fallthrough", &[below, reverse, nodata()]).await;
    check(zones, "", &[here, no_reverse, nodata()]).await;
    check(
        zones,
        "fallthrough in-addr.arpa ip6.arpa",
        &[
            none("nosuch.shop.svc.cluster.local. A", "NXDOMAIN"),
            some(
                "9.9.9.10.in-addr.arpa. PTR",
                &["9.9.9.10.in-addr.arpa. 60 IN PTR other.example.org."],
            ),
        ],
    )
    .await;
    check(
        zones,
        "fallthrough SVC.cluster.local",
        &[
            some(
                "nosuch.shop.svc.cluster.local. A",
                &["nosuch.shop.svc.cluster.local. 60 IN A 192.0.2.81"],
            ),
            none("foo.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn empty_services_can_be_ignored() {
    check(
        "cluster.local",
        "ignore empty_service",
        &[
            some(
                "web.shop.svc.cluster.local. A",
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            none("idle.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("idle.shop.svc.cluster.local. AAAA", "NXDOMAIN"),
            none("_http._tcp.idle.shop.svc.cluster.local. SRV", "NXDOMAIN"),
            none("api.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("unready.data.svc.cluster.local. A", "NXDOMAIN"),
            some(
                "partner.shop.svc.cluster.local. CNAME",
                &["partner.shop.svc.cluster.local. 5 IN CNAME www.example.org."],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn endpoints_can_be_named_after_their_pods() {
    check(
        "cluster.local 10.in-addr.arpa",
        "endpoint_pod_names",
        &[
            some(
                "db-pod-9.db.data.svc.cluster.local. A",
                &["db-pod-9.db.data.svc.cluster.local. 5 IN A 10.244.2.9"],
            ),
            none("10-244-2-9.db.data.svc.cluster.local. A", "NXDOMAIN"),
            some(
                "db-0.db.data.svc.cluster.local. A",
                &["db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4"],
            ),
            some(
                "10-244-4-3.twins.data.svc.cluster.local. A",
                &["10-244-4-3.twins.data.svc.cluster.local. 5 IN A 10.244.4.3"],
            ),
            some(
                "9.2.244.10.in-addr.arpa. PTR",
                &["9.2.244.10.in-addr.arpa. 5 IN PTR db-pod-9.db.data.svc.cluster.local."],
            ),
            some(
                "10.1.244.10.in-addr.arpa. PTR",
                &["10.1.244.10.in-addr.arpa. 5 IN PTR web-6f5d-x1.web.shop.svc.cluster.local."],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn without_endpoints_headless_services_do_not_exist() {
    check(
        "cluster.local 10.in-addr.arpa",
        "noendpoints",
        &[
            some(
                "web.shop.svc.cluster.local. A",
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            none("db.data.svc.cluster.local. A", "NXDOMAIN"),
            none("10-244-1-10.web.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("4.1.244.10.in-addr.arpa. PTR", "NXDOMAIN"),
        ],
    )
    .await;
    check(
        "cluster.local",
        "noendpoints\nignore empty_service",
        &[none("web.shop.svc.cluster.local. A", "NXDOMAIN")],
    )
    .await;
}

const ZONAL: &[Case] = &[
    some(
        "zone-a.pin._zone.db.data.svc.cluster.local. A",
        &["zone-a.pin._zone.db.data.svc.cluster.local. 5 IN A 10.244.1.4"],
    ),
    some(
        "ZONE-A.Pin._Zone.db.data.svc.cluster.local. A",
        &["ZONE-A.Pin._Zone.db.data.svc.cluster.local. 5 IN A 10.244.1.4"],
    ),
    some(
        "zone-b.example.org.pin._zone.db.data.svc.cluster.local. A",
        &["zone-b.example.org.pin._zone.db.data.svc.cluster.local. 5 IN A 10.244.2.9"],
    ),
    glued(
        "zone-a.pin._zone.db.data.svc.cluster.local. SRV",
        &[
            "zone-a.pin._zone.db.data.svc.cluster.local. 5 IN SRV 0 100 5432 db-0.db.data.svc.cluster.local.",
        ],
        &["db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4"],
    ),
    none("zone-a.pin._zone.db.data.svc.cluster.local. AAAA", "NODATA"),
    none("zone-c.pin._zone.db.data.svc.cluster.local. A", "NODATA"),
    none("zone-c.pin._zone.db.data.svc.cluster.local. TXT", "NODATA"),
    some(
        "zone-c.prefer._zone.db.data.svc.cluster.local. A",
        &[
            "zone-c.prefer._zone.db.data.svc.cluster.local. 5 IN A 10.244.1.4",
            "zone-c.prefer._zone.db.data.svc.cluster.local. 5 IN A 10.244.2.9",
        ],
    ),
    some(
        "zone-a.prefer._zone.db.data.svc.cluster.local. A",
        &["zone-a.prefer._zone.db.data.svc.cluster.local. 5 IN A 10.244.1.4"],
    ),
    none("zone-a.near._zone.db.data.svc.cluster.local. A", "NXDOMAIN"),
    none("zone-a.pin.zone.db.data.svc.cluster.local. A", "NXDOMAIN"),
    none("zone-a.pin._zone.web.shop.svc.cluster.local. A", "NXDOMAIN"),
    none("zone-a.pin._zone.nosuch.data.svc.cluster.local. A", "NXDOMAIN"),
    none("zone-a.pin._zone.nosuch.data.svc.cluster.local. TXT", "NXDOMAIN"),
    none("zone-a.pin._zone.db.data.pod.cluster.local. A", "NXDOMAIN"),
    none("pin._zone.db.data.svc.cluster.local. A", "NXDOMAIN"),
];

#[tokio::test]
async fn zonal_names_are_answered_from_one_topology_zone() {
    check("cluster.local", "zonal", ZONAL).await;
    check(
        "cluster.local",
        "",
        &[none("zone-a.pin._zone.db.data.svc.cluster.local. A", "NXDOMAIN")],
    )
    .await;
}

#[tokio::test]
async fn every_zone_is_answered_for() {
    check(
        "cluster.local svc.test",
        "",
        &[
            some("web.shop.svc.svc.test. A", &["web.shop.svc.svc.test. 5 IN A 10.96.7.7"]),
            // Outside the zone that was asked, so by way of the listener.
            some(
                "neighbour.shop.svc.svc.test. A",
                &[
                    "neighbour.shop.svc.svc.test. 5 IN CNAME web.shop.svc.cluster.local.",
                    "web.shop.svc.cluster.local. 5 IN A 10.96.7.7",
                ],
            ),
        ],
    )
    .await;
    check(
        ".",
        "",
        &[
            some("web.shop.svc. A", &["web.shop.svc. 5 IN A 10.96.7.7"]),
            none("www.example.org. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn other_names_pass_by() {
    check(
        "cluster.local",
        "",
        &[
            some("www.example.org. A", &["www.example.org. 60 IN A 192.0.2.80"]),
            none("local. A", "NXDOMAIN"),
            none("xcluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}
