//! The API server as a source of objects: how to reach it, and one watch for each kind.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use hyper::header::{HeaderValue, USER_AGENT};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use plugin::{Diagnostic, Setup, async_trait};
use tokio::time;

use crate::backoff::Backoff;
use crate::config::{Config, Limits, Origin, Tls};
use crate::instrument::{Contact, Instrument};
use crate::metrics::Metrics;
use crate::object;
use crate::selector::Selector;
use crate::source::Source;
use crate::store::{Kind, Store};
use crate::watch::Watch;

/// An API server, and which of its objects are wanted.
pub(crate) struct ApiServer {
    access: Access,
    pub(crate) labels: Option<Selector>,
    pub(crate) namespace_labels: Option<Selector>,
    pub(crate) contact: Arc<Contact>,
    limits: Limits,
    pub(crate) metrics: Metrics,
}

/// How a client is made.
enum Access {
    Config(Box<kube::Config>),
    /// A client that is there already.
    #[cfg(test)]
    Client(kube::Client),
}

#[async_trait]
impl Source for ApiServer {
    async fn feed(&self, store: &Store) {
        self.contact.show(&self.metrics);
        let client = self.client().await;
        let service = Watch::<object::Service>::new(&client, self, store);
        let slice = Watch::<object::EndpointSlice>::new(&client, self, store);
        let namespace = Watch::<object::Namespace>::new(&client, self, store);
        let pod = Watch::<object::Pod>::new(&client, self, store);
        let wanted = |kind| store.wants(kind);
        futures::join!(
            async {
                if wanted(Kind::Service) {
                    service.run().await;
                }
            },
            async {
                if wanted(Kind::EndpointSlice) {
                    slice.run().await;
                }
            },
            async {
                if wanted(Kind::Namespace) {
                    namespace.run().await;
                }
            },
            async {
                if wanted(Kind::Pod) {
                    pod.run().await;
                }
            },
        );
    }
}

impl ApiServer {
    /// What the directive says about the API server, and a fingerprint of the files that it names.
    /// Nothing is connected to.
    pub(crate) fn new(
        setup: &Setup<'_>,
        config: &Config,
        metrics: Metrics,
    ) -> Result<(Self, u64), Diagnostic> {
        let mut files = DefaultHasher::new();
        let mut access = match &config.origin {
            Origin::Kubeconfig { path, context } => {
                kubeconfig(setup, path, context.as_deref(), &mut files)?
            }
            Origin::Endpoint { url, tls } => endpoint(setup, url, tls.as_ref(), &mut files)?,
            Origin::InCluster | Origin::Manifests(_) => in_cluster(setup)?,
        };
        if let Ok(agent) = HeaderValue::from_str(&format!("Rhumb/{}", setup.shared.build.version)) {
            access.headers.push((USER_AGENT, agent));
        }
        let host = access.cluster_url.authority().map_or_else(String::new, ToString::to_string);
        let made = Self {
            access: Access::Config(Box::new(access)),
            labels: config.labels.clone(),
            namespace_labels: config.namespace_labels.clone(),
            contact: Arc::new(Contact::new(&host)),
            limits: config.limits,
            metrics,
        };
        Ok((made, files.finish()))
    }

    /// A source that asks `service` instead of a server.
    #[cfg(test)]
    pub(crate) fn asking<S, B>(service: S, metrics: Metrics, limits: Limits) -> Self
    where
        S: tower::Service<
                hyper::Request<kube::client::Body>,
                Response = hyper::Response<B>,
                Error = Box<dyn std::error::Error + Send + Sync>,
            > + Send
            + 'static,
        S::Future: Send + 'static,
        B: hyper::body::Body<
                Data = hyper::body::Bytes,
                Error = Box<dyn std::error::Error + Send + Sync>,
            > + Send
            + Unpin
            + 'static,
    {
        let contact = Arc::new(Contact::new("stub"));
        let layer = Instrument::layer(Arc::clone(&contact), metrics.clone(), limits);
        let client = ClientBuilder::new(service, "default").with_layer(&layer).build();
        Self {
            access: Access::Client(client),
            labels: None,
            namespace_labels: None,
            contact,
            limits,
            metrics,
        }
    }

    /// The client. Its credentials may come from a program that fails for a while, so this may take long.
    async fn client(&self) -> kube::Client {
        #[cfg(test)]
        let config = match &self.access {
            Access::Client(client) => return client.clone(),
            Access::Config(config) => config,
        };
        #[cfg(not(test))]
        let Access::Config(config) = &self.access;
        // With one provider compiled in this is a matter of order only; an error means it is done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut backoff = Backoff::default();
        loop {
            match ClientBuilder::try_from((**config).clone()) {
                Ok(builder) => {
                    let contact = Arc::clone(&self.contact);
                    let layer = Instrument::layer(contact, self.metrics.clone(), self.limits);
                    return builder.with_layer(&layer).build();
                }
                Err(error) => {
                    let error = crate::watch::chain(&error);
                    tracing::error!(target: "plugin/kubernetes", error, "no client for the Kubernetes API");
                    time::sleep(backoff.next()).await;
                }
            }
        }
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds credentials.
        f.debug_struct("ApiServer").field("contact", &self.contact).finish_non_exhaustive()
    }
}

fn in_cluster(setup: &Setup<'_>) -> Result<kube::Config, Diagnostic> {
    kube::Config::incluster().map_err(|error| {
        Diagnostic::error(setup.directive.name.span, "there is no Kubernetes API to ask here")
            .label(error.to_string())
            .help(
                "inside a pod its service account is used; elsewhere name one with `kubeconfig FILE` \
                 or `endpoint URL`, or files of objects with `manifests PATH`",
            )
    })
}

fn kubeconfig(
    setup: &Setup<'_>,
    path: &Path,
    context: Option<&str>,
    files: &mut DefaultHasher,
) -> Result<kube::Config, Diagnostic> {
    let refused = |error: &dyn std::error::Error| {
        Diagnostic::error(span(setup, "kubeconfig"), format!("cannot use `{}`", path.display()))
            .label(crate::watch::chain(error))
    };
    let read = Kubeconfig::read_from(path).map_err(|error| refused(&error))?;
    std::fs::read(path).unwrap_or_default().hash(files);
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    // It has nothing to wait for: programs for credentials run when the client is made.
    match kube::Config::from_custom_kubeconfig(read, &options).now_or_never() {
        Some(config) => config.map_err(|error| refused(&error)),
        None => Err(refused(&std::io::Error::from(std::io::ErrorKind::WouldBlock))),
    }
}

fn endpoint(
    setup: &Setup<'_>,
    url: &str,
    tls: Option<&Tls>,
    files: &mut DefaultHasher,
) -> Result<kube::Config, Diagnostic> {
    let place = span(setup, "endpoint");
    let url = url.parse().map_err(|error| {
        Diagnostic::error(place, format!("`{url}` is not a URL")).label(format!("{error}"))
    })?;
    let mut config = kube::Config::new(url);
    if let Some(tls) = tls {
        for path in [&tls.certificate, &tls.key, &tls.authority] {
            let text = std::fs::read(path).map_err(|error| {
                Diagnostic::error(span(setup, "tls"), format!("cannot read `{}`", path.display()))
                    .label(error.to_string())
            })?;
            text.hash(files);
        }
        config.root_cert_file = Some(tls.authority.clone());
        config.auth_info.client_certificate = Some(tls.certificate.display().to_string());
        config.auth_info.client_key = Some(tls.key.display().to_string());
    }
    Ok(config)
}

/// Where a property stands; the directive where it does not.
fn span(setup: &Setup<'_>, property: &str) -> plugin::Span {
    let mut properties = setup.directive.properties().iter();
    let found = properties.find(|found| found.name.text == property);
    found.map_or(setup.directive.name.span, plugin::Property::span)
}
