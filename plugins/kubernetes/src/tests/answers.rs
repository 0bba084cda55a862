//! Names, types and answers, in the order of the DNS specification of Kubernetes.

use super::harness::{check, glued, none, some};

#[tokio::test]
async fn the_top_of_the_zone_has_no_addresses() {
    check(
        "cluster.local",
        "",
        &[
            none("cluster.local. A", "NODATA"),
            none("cluster.local. AAAA", "NODATA"),
            none("cluster.local. SRV", "NODATA"),
            none("cluster.local. MX", "NODATA"),
            none("cluster.local. CNAME", "NODATA"),
            none("cluster.local. PTR", "NODATA"),
            none("cluster.local. HTTPS", "NODATA"),
            none("cluster.local. TXT", "NXDOMAIN"),
            none("svc.cluster.local. A", "NODATA"),
            none("svc.cluster.local. NS", "NODATA"),
            none("svc.cluster.local. SOA", "NODATA"),
            none("svc.cluster.local. TXT", "NXDOMAIN"),
            none("pod.cluster.local. A", "NODATA"),
            none("pod.cluster.local. SRV", "NODATA"),
            none("pod.cluster.local. TXT", "NXDOMAIN"),
            some(
                "dns-version.cluster.local. TXT",
                &["dns-version.cluster.local. 28800 IN TXT 1.1.0"],
            ),
            some(
                "DNS-Version.cluster.local. TXT",
                &["DNS-Version.cluster.local. 28800 IN TXT 1.1.0"],
            ),
            none("dns-version.cluster.local. A", "NXDOMAIN"),
            none("ns.dns.cluster.local. SRV", "NODATA"),
            none("ns.dns.cluster.local. MX", "NODATA"),
            none("ns.dns.cluster.local. CNAME", "NODATA"),
            none("ns.dns.cluster.local. TXT", "NXDOMAIN"),
            none("dns.cluster.local. A", "NXDOMAIN"),
            none("foo.cluster.local. A", "NXDOMAIN"),
            none("foo.cluster.local. NS", "NXDOMAIN"),
            none("foo.cluster.local. MX", "NXDOMAIN"),
            none("foo.cluster.local. SOA", "NODATA"),
            none("web.shop.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn namespaces_exist_without_records() {
    check(
        "cluster.local",
        "",
        &[
            none("shop.svc.cluster.local. A", "NODATA"),
            none("SHOP.svc.cluster.local. A", "NODATA"),
            none("shop.svc.cluster.local. SRV", "NODATA"),
            none("shop.svc.cluster.local. NS", "NODATA"),
            none("shop.svc.cluster.local. PTR", "NODATA"),
            none("shop.svc.cluster.local. TXT", "NXDOMAIN"),
            none("quiet.svc.cluster.local. AAAA", "NODATA"),
            none("ghost.svc.cluster.local. A", "NXDOMAIN"),
            none("ghost.svc.cluster.local. NS", "NXDOMAIN"),
            none("orphan.ghost.svc.cluster.local. A", "NXDOMAIN"),
            none("nosuch.quiet.svc.cluster.local. A", "NXDOMAIN"),
            none("shop.pod.cluster.local. A", "NXDOMAIN"),
            none("*.svc.cluster.local. A", "NXDOMAIN"),
            none("any.svc.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn cluster_ips_are_answered() {
    check(
        "cluster.local",
        "",
        &[
            some(
                "web.shop.svc.cluster.local. A",
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            some(
                "WEB.shop.svc.cluster.local. A",
                &["WEB.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            none("web.shop.svc.cluster.local. AAAA", "NODATA"),
            none("web.shop.svc.cluster.local. TXT", "NODATA"),
            none("web.shop.svc.cluster.local. MX", "NODATA"),
            none("web.shop.svc.cluster.local. CNAME", "NODATA"),
            none("web.shop.svc.cluster.local. PTR", "NODATA"),
            none("web.shop.svc.cluster.local. NS", "NODATA"),
            none("web.shop.svc.cluster.local. SOA", "NODATA"),
            none("web.shop.svc.cluster.local. HTTPS", "NODATA"),
            none("web.shop.svc.cluster.local. ANY", "NODATA"),
            some(
                "both.shop.svc.cluster.local. A",
                &["both.shop.svc.cluster.local. 5 IN A 10.96.7.9"],
            ),
            some(
                "both.shop.svc.cluster.local. AAAA",
                &["both.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::9"],
            ),
            none("six.shop.svc.cluster.local. A", "NODATA"),
            some(
                "six.shop.svc.cluster.local. AAAA",
                &["six.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::6"],
            ),
            some(
                "portless.shop.svc.cluster.local. A",
                &["portless.shop.svc.cluster.local. 5 IN A 10.96.7.10"],
            ),
            some(
                "idle.shop.svc.cluster.local. A",
                &["idle.shop.svc.cluster.local. 5 IN A 10.96.7.11"],
            ),
            some(
                "balanced.shop.svc.cluster.local. A",
                &["balanced.shop.svc.cluster.local. 5 IN A 10.96.7.12"],
            ),
            none("nosuch.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("nosuch.shop.svc.cluster.local. TXT", "NXDOMAIN"),
            none("nosuch.shop.svc.cluster.local. PTR", "NXDOMAIN"),
            none("nosuch.shop.svc.cluster.local. SOA", "NODATA"),
            none("web.data.svc.cluster.local. A", "NXDOMAIN"),
            none("*.shop.svc.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn ports_of_cluster_ips_are_srv_records() {
    check(
        "cluster.local",
        "",
        &[
            glued(
                "web.shop.svc.cluster.local. SRV",
                &[
                    "web.shop.svc.cluster.local. 5 IN SRV 0 50 80 web.shop.svc.cluster.local.",
                    "web.shop.svc.cluster.local. 5 IN SRV 0 50 443 web.shop.svc.cluster.local.",
                ],
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            glued(
                "_http._tcp.web.shop.svc.cluster.local. SRV",
                &["_http._tcp.web.shop.svc.cluster.local. 5 IN SRV 0 100 80 web.shop.svc.cluster.local."],
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            glued(
                "_HTTP._Tcp.web.shop.svc.cluster.local. SRV",
                &["_HTTP._Tcp.web.shop.svc.cluster.local. 5 IN SRV 0 100 80 web.shop.svc.cluster.local."],
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            glued(
                "http.tcp.web.shop.svc.cluster.local. SRV",
                &["http.tcp.web.shop.svc.cluster.local. 5 IN SRV 0 100 80 web.shop.svc.cluster.local."],
                &["web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            glued(
                "Web.Shop.Svc.cLuStEr.LoCaL. SRV",
                &[
                    "Web.Shop.Svc.cLuStEr.LoCaL. 5 IN SRV 0 50 80 web.shop.svc.cLuStEr.LoCaL.",
                    "Web.Shop.Svc.cLuStEr.LoCaL. 5 IN SRV 0 50 443 web.shop.svc.cLuStEr.LoCaL.",
                ],
                &["web.shop.svc.cLuStEr.LoCaL. 5 IN A 10.96.7.7"],
            ),
            some(
                "_https._tcp.web.shop.svc.cluster.local. A",
                &["_https._tcp.web.shop.svc.cluster.local. 5 IN A 10.96.7.7"],
            ),
            none("_https._tcp.web.shop.svc.cluster.local. AAAA", "NODATA"),
            none("_http._udp.web.shop.svc.cluster.local. SRV", "NXDOMAIN"),
            none("_ftp._tcp.web.shop.svc.cluster.local. SRV", "NXDOMAIN"),
            none("_ftp._tcp.web.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("_8080._tcp.api.shop.svc.cluster.local. SRV", "NXDOMAIN"),
            glued(
                "_dns._udp.both.shop.svc.cluster.local. SRV",
                &["_dns._udp.both.shop.svc.cluster.local. 5 IN SRV 0 50 53 both.shop.svc.cluster.local."],
                &[
                    "both.shop.svc.cluster.local. 5 IN A 10.96.7.9",
                    "both.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::9",
                ],
            ),
            glued(
                "both.shop.svc.cluster.local. SRV",
                &["both.shop.svc.cluster.local. 5 IN SRV 0 25 53 both.shop.svc.cluster.local."],
                &[
                    "both.shop.svc.cluster.local. 5 IN A 10.96.7.9",
                    "both.shop.svc.cluster.local. 5 IN AAAA fd00:10:96::9",
                ],
            ),
            none("portless.shop.svc.cluster.local. SRV", "NODATA"),
            none("x._http._tcp.web.shop.svc.cluster.local. SRV", "NXDOMAIN"),
            none("a.b.c.d.web.shop.svc.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn headless_services_are_their_ready_endpoints() {
    check(
        "cluster.local",
        "",
        &[
            some(
                "db.data.svc.cluster.local. A",
                &[
                    "db.data.svc.cluster.local. 5 IN A 10.244.1.4",
                    "db.data.svc.cluster.local. 5 IN A 10.244.2.9",
                ],
            ),
            some(
                "db.data.svc.cluster.local. AAAA",
                &[
                    "db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4",
                    "db.data.svc.cluster.local. 5 IN AAAA fd00:10:244::",
                ],
            ),
            glued(
                "db.data.svc.cluster.local. SRV",
                &[
                    "db.data.svc.cluster.local. 5 IN SRV 0 25 5432 db-0.db.data.svc.cluster.local.",
                    "db.data.svc.cluster.local. 5 IN SRV 0 25 5432 10-244-2-9.db.data.svc.cluster.local.",
                    "db.data.svc.cluster.local. 5 IN SRV 0 25 5432 fd00-10-244--0.db.data.svc.cluster.local.",
                ],
                &[
                    "db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4",
                    "10-244-2-9.db.data.svc.cluster.local. 5 IN A 10.244.2.9",
                    "db-0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4",
                    "fd00-10-244--0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244::",
                ],
            ),
            none("db.data.svc.cluster.local. TXT", "NODATA"),
            none("db.data.svc.cluster.local. CNAME", "NODATA"),
            some("db-0.db.data.svc.cluster.local. A", &["db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4"]),
            some("DB-0.db.data.svc.cluster.local. A", &["DB-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4"]),
            some(
                "db-0.db.data.svc.cluster.local. AAAA",
                &["db-0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4"],
            ),
            some(
                "10-244-2-9.db.data.svc.cluster.local. A",
                &["10-244-2-9.db.data.svc.cluster.local. 5 IN A 10.244.2.9"],
            ),
            none("10-244-2-9.db.data.svc.cluster.local. AAAA", "NODATA"),
            some(
                "fd00-10-244--0.db.data.svc.cluster.local. AAAA",
                &["fd00-10-244--0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244::"],
            ),
            none("fd00-10-244--.db.data.svc.cluster.local. AAAA", "NXDOMAIN"),
            none("10-244-1-4.db.data.svc.cluster.local. A", "NXDOMAIN"),
            none("10-244-2-10.db.data.svc.cluster.local. A", "NXDOMAIN"),
            none("db-pod-9.db.data.svc.cluster.local. A", "NXDOMAIN"),
            glued(
                "db-0.db.data.svc.cluster.local. SRV",
                &["db-0.db.data.svc.cluster.local. 5 IN SRV 0 50 5432 db-0.db.data.svc.cluster.local."],
                &[
                    "db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4",
                    "db-0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4",
                ],
            ),
            glued(
                "_sql._tcp.db.data.svc.cluster.local. SRV",
                &[
                    "_sql._tcp.db.data.svc.cluster.local. 5 IN SRV 0 25 5432 db-0.db.data.svc.cluster.local.",
                    "_sql._tcp.db.data.svc.cluster.local. 5 IN SRV 0 25 5432 10-244-2-9.db.data.svc.cluster.local.",
                    "_sql._tcp.db.data.svc.cluster.local. 5 IN SRV 0 25 5432 fd00-10-244--0.db.data.svc.cluster.local.",
                ],
                &[
                    "db-0.db.data.svc.cluster.local. 5 IN A 10.244.1.4",
                    "10-244-2-9.db.data.svc.cluster.local. 5 IN A 10.244.2.9",
                    "db-0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244:1::4",
                    "fd00-10-244--0.db.data.svc.cluster.local. 5 IN AAAA fd00:10:244::",
                ],
            ),
            some(
                "_sql._tcp.db.data.svc.cluster.local. A",
                &[
                    "_sql._tcp.db.data.svc.cluster.local. 5 IN A 10.244.1.4",
                    "_sql._tcp.db.data.svc.cluster.local. 5 IN A 10.244.2.9",
                ],
            ),
            none("_sql._udp.db.data.svc.cluster.local. SRV", "NXDOMAIN"),
            none("nosuch.db.data.svc.cluster.local. A", "NXDOMAIN"),
            none("unready.data.svc.cluster.local. A", "NXDOMAIN"),
            none("unready.data.svc.cluster.local. SRV", "NXDOMAIN"),
            none("unready.data.svc.cluster.local. TXT", "NXDOMAIN"),
            glued(
                "twins.data.svc.cluster.local. SRV",
                &[
                    "twins.data.svc.cluster.local. 5 IN SRV 0 33 80 twin.twins.data.svc.cluster.local.",
                    "twins.data.svc.cluster.local. 5 IN SRV 0 33 80 10-244-4-3.twins.data.svc.cluster.local.",
                ],
                &[
                    "twin.twins.data.svc.cluster.local. 5 IN A 10.244.4.1",
                    "twin.twins.data.svc.cluster.local. 5 IN A 10.244.4.2",
                    "10-244-4-3.twins.data.svc.cluster.local. 5 IN A 10.244.4.3",
                ],
            ),
            some(
                "twin.twins.data.svc.cluster.local. A",
                &[
                    "twin.twins.data.svc.cluster.local. 5 IN A 10.244.4.1",
                    "twin.twins.data.svc.cluster.local. 5 IN A 10.244.4.2",
                ],
            ),
            some("bare.data.svc.cluster.local. A", &["bare.data.svc.cluster.local. 5 IN A 10.244.5.1"]),
            none("bare.data.svc.cluster.local. SRV", "NODATA"),
            some(
                "10-244-5-1.bare.data.svc.cluster.local. A",
                &["10-244-5-1.bare.data.svc.cluster.local. 5 IN A 10.244.5.1"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn endpoints_of_cluster_ip_services_have_names_too() {
    check(
        "cluster.local",
        "",
        &[
            some(
                "10-244-1-10.web.shop.svc.cluster.local. A",
                &["10-244-1-10.web.shop.svc.cluster.local. 5 IN A 10.244.1.10"],
            ),
            glued(
                "10-244-1-10.web.shop.svc.cluster.local. SRV",
                &[
                    "10-244-1-10.web.shop.svc.cluster.local. 5 IN SRV 0 50 8080 10-244-1-10.web.shop.svc.cluster.local.",
                    "10-244-1-10.web.shop.svc.cluster.local. 5 IN SRV 0 50 8443 10-244-1-10.web.shop.svc.cluster.local.",
                ],
                &["10-244-1-10.web.shop.svc.cluster.local. 5 IN A 10.244.1.10"],
            ),
            none("10-96-7-7.web.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("bogus.web.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("bogus.nosuch.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("10-244-1-11.idle.shop.svc.cluster.local. A", "NXDOMAIN"),
        ],
    )
    .await;
}

#[tokio::test]
async fn external_names_are_followed() {
    check(
        "cluster.local",
        "",
        &[
            some(
                "partner.shop.svc.cluster.local. A",
                &[
                    "partner.shop.svc.cluster.local. 5 IN CNAME www.example.org.",
                    "www.example.org. 60 IN A 192.0.2.80",
                ],
            ),
            some(
                "partner.shop.svc.cluster.local. AAAA",
                &[
                    "partner.shop.svc.cluster.local. 5 IN CNAME www.example.org.",
                    "www.example.org. 60 IN AAAA 2001:db8::80",
                ],
            ),
            some(
                "partner-dot.shop.svc.cluster.local. A",
                &[
                    "partner-dot.shop.svc.cluster.local. 5 IN CNAME www.example.org.",
                    "www.example.org. 60 IN A 192.0.2.80",
                ],
            ),
            some(
                "partner.shop.svc.cluster.local. CNAME",
                &["partner.shop.svc.cluster.local. 5 IN CNAME www.example.org."],
            ),
            none("partner.shop.svc.cluster.local. SRV", "NODATA"),
            none("partner.shop.svc.cluster.local. TXT", "NODATA"),
            none("partner.shop.svc.cluster.local. MX", "NODATA"),
            none("partner.shop.svc.cluster.local. HTTPS", "NODATA"),
            some(
                "gone-partner.shop.svc.cluster.local. A",
                &["gone-partner.shop.svc.cluster.local. 5 IN CNAME gone.example.org."],
            ),
            none("_http._tcp.partner.shop.svc.cluster.local. SRV", "NXDOMAIN"),
            some(
                "_._.partner.shop.svc.cluster.local. CNAME",
                &["_._.partner.shop.svc.cluster.local. 5 IN CNAME www.example.org."],
            ),
            none("endpoint.partner.shop.svc.cluster.local. CNAME", "NXDOMAIN"),
            none("a.b.partner.shop.svc.cluster.local. CNAME", "NXDOMAIN"),
            some(
                "neighbour.shop.svc.cluster.local. A",
                &[
                    "neighbour.shop.svc.cluster.local. 5 IN CNAME web.shop.svc.cluster.local.",
                    "web.shop.svc.cluster.local. 5 IN A 10.96.7.7",
                ],
            ),
            none("neighbour.shop.svc.cluster.local. AAAA", "NODATA"),
            some(
                "neighbour.shop.svc.cluster.local. CNAME",
                &["neighbour.shop.svc.cluster.local. 5 IN CNAME web.shop.svc.cluster.local."],
            ),
            some(
                "hop.shop.svc.cluster.local. A",
                &[
                    "hop.shop.svc.cluster.local. 5 IN CNAME neighbour.shop.svc.cluster.local.",
                    "neighbour.shop.svc.cluster.local. 5 IN CNAME web.shop.svc.cluster.local.",
                    "web.shop.svc.cluster.local. 5 IN A 10.96.7.7",
                ],
            ),
            none("dangling.shop.svc.cluster.local. A", "NODATA"),
            some(
                "dangling.shop.svc.cluster.local. CNAME",
                &["dangling.shop.svc.cluster.local. 5 IN CNAME nosuch.shop.svc.cluster.local."],
            ),
            none("selfish.shop.svc.cluster.local. A", "NODATA"),
            none("ring-a.shop.svc.cluster.local. A", "NODATA"),
            none("ring-b.shop.svc.cluster.local. AAAA", "NODATA"),
            none("numeric.shop.svc.cluster.local. A", "NXDOMAIN"),
            none("numeric.shop.svc.cluster.local. CNAME", "NXDOMAIN"),
        ],
    )
    .await;
}
