//! What the `kubernetes` directive says, typed and bounded.

use std::path::PathBuf;
use std::time::Duration;

use plugin::proto::rr::Name;
use plugin::{Argument, Bounds, Diagnostic, Directive, Fallthrough, Property, Setup, Zones};

use crate::kept::Detail;
use crate::selector::Selector;
use crate::store::Kind;

/// The settings of one `kubernetes` directive.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) zones: Zones,
    /// The zone that PTR records point into: the first that is no reverse zone.
    pub(crate) primary: Name,
    pub(crate) origin: Origin,
    pub(crate) limits: Limits,
    /// `labels`: which Services, EndpointSlices and Pods are seen at all.
    pub(crate) labels: Option<Selector>,
    /// `namespace_labels`: which Namespaces are seen at all.
    pub(crate) namespace_labels: Option<Selector>,
    /// `namespaces`: which are answered for; all where it is empty.
    pub(crate) namespaces: Vec<String>,
    pub(crate) pods: Pods,
    pub(crate) detail: Detail,
    /// `noendpoints`: EndpointSlices are not watched.
    pub(crate) no_endpoints: bool,
    pub(crate) ttl_secs: u32,
    /// `ignore empty_service`: a service without ready endpoints does not exist.
    pub(crate) ignore_empty: bool,
    pub(crate) fallthrough: Fallthrough,
    /// How long the start waits for the first complete view.
    pub(crate) startup_timeout: Duration,
}

/// Where the objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The API server that the pod's environment names.
    InCluster,
    Kubeconfig {
        path: PathBuf,
        context: Option<String>,
    },
    Endpoint {
        url: String,
        tls: Option<Tls>,
    },
    Manifests(Vec<PathBuf>),
}

/// The files of `tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
}

/// How hard the API server may be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Requests a second, on average.
    pub(crate) qps: f32,
    /// Requests that may be made at once after a quiet time.
    pub(crate) burst: u32,
    /// Requests waiting for a response at a time; 0 for any number.
    pub(crate) max_inflight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { qps: 5.0, burst: 10, max_inflight: 0 }
    }
}

/// How names of pods are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pods {
    #[default]
    Disabled,
    Insecure,
    Verified,
}

impl Config {
    /// The settings; otherwise the last mistake, with those before it reported.
    pub(crate) fn parse(setup: &mut Setup<'_>) -> Result<Self, Diagnostic> {
        let directive = setup.once()?;
        let zones = setup.zones(&directive.arguments)?;
        let mut mistakes = Vec::new();
        let primary = primary(directive, &zones);
        let primary = primary.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            Name::root()
        });
        let config = Self { primary, ..Self::new(zones) };
        let mut parser = Parser { setup, directive, given: Given::default(), config, mistakes };
        for property in directive.properties() {
            if let Err(mistake) = parser.property(property) {
                parser.mistakes.push(mistake);
            }
        }
        parser.conclude();
        let Parser { setup, config, mut mistakes, .. } = parser;
        let Some(last) = mistakes.pop() else { return Ok(config) };
        for mistake in mistakes {
            setup.report(mistake);
        }
        Err(last)
    }

    fn new(zones: Zones) -> Self {
        Self {
            zones,
            primary: Name::root(),
            origin: Origin::InCluster,
            limits: Limits::default(),
            labels: None,
            namespace_labels: None,
            namespaces: Vec::new(),
            pods: Pods::default(),
            detail: Detail::default(),
            no_endpoints: false,
            ttl_secs: TTL_SECS.default,
            ignore_empty: false,
            fallthrough: Fallthrough::default(),
            startup_timeout: STARTUP_TIMEOUT,
        }
    }

    /// The kinds of objects that the answers need.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| match kind {
            Kind::Service | Kind::Namespace => true,
            Kind::EndpointSlice => !self.no_endpoints,
            Kind::Pod => self.pods == Pods::Verified,
        };
        Kind::ALL.into_iter().filter(wanted).collect()
    }

    /// Everything that the store and its source depend on.
    pub(crate) fn cluster_key(&self) -> String {
        let Self { origin, limits, labels, namespace_labels, detail, .. } = self;
        let kinds = self.kinds();
        format!("{origin:?} {limits:?} {labels:?} {namespace_labels:?} {detail:?} {kinds:?}")
    }
}

/// The properties that come first when another contradicts them.
#[derive(Default)]
struct Given<'a> {
    endpoint: Option<&'a Property>,
    kubeconfig: Option<&'a Property>,
    manifests: Option<&'a Property>,
    tls: Option<(&'a Property, Tls)>,
    namespaces: Option<&'a Property>,
    namespace_labels: Option<&'a Property>,
    noendpoints: Option<&'a Property>,
    zonal: Option<&'a Property>,
}

struct Parser<'a, 's> {
    setup: &'a mut Setup<'s>,
    directive: &'s Directive,
    given: Given<'s>,
    config: Config,
    mistakes: Vec<Diagnostic>,
}

impl<'s> Parser<'_, 's> {
    fn property(&mut self, property: &'s Property) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        let config = &mut self.config;
        match &*property.name.text {
            "endpoint" => {
                let urls = property.expect_arguments(1..=usize::MAX)?;
                if let Some(second) = urls.get(1) {
                    self.setup.report(
                        Diagnostic::warning(second.span, "only the first `endpoint` is used")
                            .label("not used")
                            .help("put a load balancer in front of several API servers"),
                    );
                }
                self.given.endpoint = Some(property);
                if self.given.kubeconfig.is_none() {
                    config.origin = Origin::Endpoint { url: url(&urls[0])?, tls: None };
                }
            }
            "tls" => {
                let files = property.expect_arguments(3..=3)?;
                let [certificate, key, authority] =
                    [0, 1, 2].map(|index| self.setup.path(&files[index].text));
                self.given.tls = Some((property, Tls { certificate, key, authority }));
            }
            "kubeconfig" => {
                let arguments = property.expect_arguments(1..=2)?;
                self.given.kubeconfig = Some(property);
                config.origin = Origin::Kubeconfig {
                    path: self.setup.path(&arguments[0].text),
                    context: arguments.get(1).map(|context| context.text.clone()),
                };
            }
            "manifests" => {
                let paths = property.expect_arguments(1..=usize::MAX)?;
                let mut found = Vec::new();
                for path in paths {
                    let file = self.setup.path(&path.text);
                    if !file.exists() {
                        return Err(Diagnostic::error(
                            path.span,
                            format!("there is no file or folder `{}`", file.display()),
                        )
                        .label("not found")
                        .help("write down objects with `kubectl get ns,svc,endpointslices -A -o yaml`"));
                    }
                    found.push(file);
                }
                self.given.manifests = Some(property);
                config.origin = Origin::Manifests(found);
            }
            "apiserver_qps" => {
                let qps: f32 = property.value("a number of requests a second")?;
                if qps.is_nan() || qps < 0.0 {
                    return Err(property.argument()?.expected("0 or more requests a second"));
                }
                // 0 leaves the default, as in CoreDNS.
                config.limits.qps = if qps > 0.0 { qps } else { Limits::default().qps };
            }
            "apiserver_burst" => {
                let burst: u32 = property.value("a whole number of requests, 0 or more")?;
                config.limits.burst = if burst > 0 { burst } else { Limits::default().burst };
            }
            "apiserver_max_inflight" => {
                config.limits.max_inflight =
                    property.value("a whole number of requests, 0 or more")?;
            }
            "namespaces" => {
                let names = property.expect_arguments(1..=usize::MAX)?;
                self.given.namespaces = Some(property);
                config.namespaces.extend(names.iter().map(|name| name.text.clone()));
            }
            "namespace_labels" => {
                self.given.namespace_labels = Some(property);
                config.namespace_labels = Some(selector(property)?);
            }
            "labels" => config.labels = Some(selector(property)?),
            "pods" => {
                let mode = property.argument()?;
                config.pods = match &*mode.text {
                    "disabled" => Pods::Disabled,
                    "insecure" => Pods::Insecure,
                    "verified" => Pods::Verified,
                    _ => return Err(mode.expected("one of `disabled`, `insecure`, `verified`")),
                };
            }
            "endpoint_pod_names" => {
                property.expect_arguments(0..=0)?;
                config.detail.pod_names = true;
            }
            "noendpoints" => {
                property.expect_arguments(0..=0)?;
                self.given.noendpoints = Some(property);
                config.no_endpoints = true;
            }
            "zonal" => {
                property.expect_arguments(0..=0)?;
                self.given.zonal = Some(property);
                config.detail.zones = true;
            }
            "ttl" => {
                let ttl = self.first(property)?;
                let secs: u32 = ttl.parse_as("a whole number of seconds from 0 to 3600")?;
                config_ttl(&mut self.config, secs, ttl)?;
            }
            "ignore" => {
                let what = self.first(property)?;
                if what.text != "empty_service" {
                    return Err(what.expected("`empty_service`"));
                }
                self.config.ignore_empty = true;
            }
            "startup_timeout" => self.config.startup_timeout = self.first(property)?.duration()?,
            "fallthrough" => config.fallthrough = Fallthrough::parse(property)?,
            "multicluster" => return Err(self.multicluster(property)),
            _ => return Err(self.directive.unknown_property(property, KNOWN)),
        }
        Ok(())
    }

    /// The first of one or more arguments. CoreDNS passes over the others, so they only get a warning.
    fn first(&mut self, property: &'s Property) -> Result<&'s Argument, Diagnostic> {
        let arguments = property.expect_arguments(1..=usize::MAX)?;
        if let Some(second) = arguments.get(1) {
            let message = format!("`{}` wants 1 argument", property.name);
            self.setup.report(Diagnostic::warning(second.span, message).label("not used"));
        }
        Ok(&arguments[0])
    }

    /// Answers from `ServiceImport` objects are still to come; its rules hold already.
    fn multicluster(&self, property: &Property) -> Diagnostic {
        let own = &self.config.zones;
        for argument in &property.arguments {
            let zones = Zones::parse(std::slice::from_ref(argument), &[]);
            let Ok(zones) = zones else { return argument.expected("a zone") };
            if zones.written().iter().any(|zone| !own.written().contains(zone)) {
                return Diagnostic::error(
                    argument.span,
                    format!("`{argument}` is not one of this directive's zones"),
                )
                .label("not answered here")
                .help(format!("name it after `{}` as well", self.directive.name));
            }
        }
        Diagnostic::error(property.span(), "`multicluster` is not supported yet")
            .label("cannot be used")
            .help("answers from ServiceImport objects are planned; leave this line out until then")
    }

    /// What is wrong with the properties together.
    fn conclude(&mut self) {
        let given = std::mem::take(&mut self.given);
        if let (Some(_), Some(second)) = (given.namespaces, given.namespace_labels) {
            self.contradiction(
                second,
                "`namespaces` and `namespace_labels` cannot both be set",
                "name the namespaces, or select them by label",
            );
        }
        if let (Some(_), Some(second)) = (given.zonal, given.noendpoints) {
            self.contradiction(
                second,
                "`zonal` and `noendpoints` cannot both be set",
                "names in a topology zone are answered from endpoints",
            );
        }
        if let (Some(manifests), Some(_)) = (given.manifests, given.kubeconfig.or(given.endpoint)) {
            self.contradiction(
                manifests,
                "`manifests` takes the place of an API server",
                "leave out `kubeconfig` and `endpoint`, or `manifests`",
            );
        }
        if let (Some(_), Some(unused)) = (given.kubeconfig, given.endpoint) {
            self.setup.report(
                Diagnostic::warning(unused.span(), "`kubeconfig` is used instead of `endpoint`")
                    .label("not used"),
            );
        }
        if let Some((property, files)) = given.tls {
            if let Origin::Endpoint { tls, url } = &mut self.config.origin {
                if let Some(host) = url.strip_prefix(BARE) {
                    *url = format!("https://{host}");
                }
                *tls = Some(files);
            } else {
                self.setup.report(
                    Diagnostic::warning(property.span(), "`tls` goes with `endpoint` only")
                        .label("not used"),
                );
            }
        }
        if let Origin::Endpoint { url, .. } = &mut self.config.origin
            && let Some(host) = url.strip_prefix(BARE)
        {
            *url = format!("http://{host}");
        }
    }

    fn contradiction(&mut self, property: &Property, message: &str, help: &str) {
        self.mistakes.push(
            Diagnostic::error(property.span(), message)
                .label("contradicts another line")
                .help(help),
        );
    }
}

/// An address of the API server; without a scheme it begins with [`BARE`].
fn url(argument: &Argument) -> Result<String, Diagnostic> {
    let url =
        if argument.contains("://") { argument.text.clone() } else { format!("{BARE}{argument}") };
    let wanted = "the URL of an API server, such as `https://192.0.2.1:6443`";
    let parsed: hyper::Uri =
        url.replacen(BARE, "http://", 1).parse().map_err(|_| argument.expected(wanted))?;
    let is_http = matches!(parsed.scheme_str(), Some("http" | "https"));
    if is_http && parsed.host().is_some_and(|host| !host.is_empty()) {
        Ok(url)
    } else {
        Err(argument.expected(wanted))
    }
}

fn config_ttl(config: &mut Config, secs: u32, argument: &Argument) -> Result<(), Diagnostic> {
    config.ttl_secs = TTL_SECS.check(secs, argument)?;
    Ok(())
}

fn selector(property: &Property) -> Result<Selector, Diagnostic> {
    let words = property.expect_arguments(1..=usize::MAX)?;
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    Selector::parse(&text).map_err(|reason| {
        let span = words[0].span.to(words[words.len() - 1].span);
        Diagnostic::error(span, format!("`{text}` is not a label selector"))
            .label(reason)
            .help("write `key=value`, `key!=value`, `key in (a, b)` or `!key`, separated by commas")
    })
}

fn primary(directive: &Directive, zones: &Zones) -> Result<Name, Diagnostic> {
    let below =
        |zone: &str, top: &str| zone.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
    let is_reverse = |zone: &str| below(zone, "in-addr.arpa.") || below(zone, "ip6.arpa.");
    let is_top = |zone: &str| matches!(zone, "in-addr.arpa." | "ip6.arpa.");
    let forward = || zones.written().iter().filter(|zone| !is_reverse(zone));
    let primary = forward().find(|zone| !is_top(zone)).or_else(|| forward().next());
    primary.and_then(|zone| Name::from_ascii(zone).ok()).ok_or_else(|| {
        Diagnostic::error(directive.span(), "`kubernetes` needs a zone that is no reverse zone")
            .label("only reverse zones")
            .help(
                "PTR records point into it: write `kubernetes cluster.local in-addr.arpa ip6.arpa`",
            )
    })
}

/// Every property, for suggestions.
const KNOWN: &[&str] = &[
    "apiserver_burst",
    "apiserver_max_inflight",
    "apiserver_qps",
    "endpoint",
    "endpoint_pod_names",
    "fallthrough",
    "ignore",
    "kubeconfig",
    "labels",
    "manifests",
    "multicluster",
    "namespace_labels",
    "namespaces",
    "noendpoints",
    "pods",
    "startup_timeout",
    "tls",
    "ttl",
    "zonal",
];

/// The TTL of every record but `dns-version`, and the MINIMUM of the SOA.
const TTL_SECS: Bounds<u32> = Bounds { default: 5, min: 0, max: 3600 };

const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);

/// In front of an `endpoint` without a scheme, until `tls` has been looked for.
const BARE: &str = "bare://";

#[cfg(test)]
mod tests;
