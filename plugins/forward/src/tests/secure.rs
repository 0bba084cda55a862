//! Upstreams over TLS, with certificates from files.

use std::sync::Arc;

use plugin::proto::op::Message;
use testkit::{Kit, StubUpstream, ask, query};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{forward, told};

/// A server that shows a certificate for `dns.example`, which it also returns in PEM.
async fn tls_server() -> (std::net::SocketAddr, String) {
    let key = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).unwrap();
    let pem = key.cert.pem();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private.unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                while let Ok(len) = stream.read_u16().await {
                    let mut query = vec![0; usize::from(len)];
                    stream.read_exact(&mut query).await.unwrap();
                    let mut reply = StubUpstream::reply_to(&Message::from_vec(&query).unwrap());
                    reply.answers = testkit::records("a.example. 60 IN A 192.0.2.1");
                    let reply = reply.to_vec().unwrap();
                    stream.write_u16(u16::try_from(reply.len()).unwrap()).await.unwrap();
                    stream.write_all(&reply).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    (address, pem)
}

#[tokio::test]
async fn the_certificate_must_carry_the_name_and_come_from_the_authority() {
    let (address, pem) = tls_server().await;
    let folder = std::env::temp_dir().join(format!("rhumb-forward-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ca.pem"), pem).unwrap();
    let mut kit = Kit::new();
    kit.block.root.clone_from(&folder);
    let port = address.port();
    let good = "a.example. 60 IN A 192.0.2.1";
    let cases = [
        (format!("tls://{address}"), "tls ca.pem\ntls_servername dns.example", good),
        (format!("tls://127.0.0.1%dns.example:{port}"), "tls ca.pem", good),
        (format!("tls://127.0.0.1%other.example:{port}"), "tls ca.pem", "ServFail"),
        (format!("tls://{address}"), "tls ca.pem", "ServFail"),
        (format!("tls://{address}"), "tls_servername dns.example", "ServFail"),
    ];
    for (to, properties, expected) in cases {
        let chain = forward(&kit, &format!("forward . {to} {{\n{properties}\n}}"));
        let told = told(ask(&chain, &query("a.example. A")).await);
        assert!(told.starts_with(expected), "{to} {properties}: {told}");
    }
    let hits = format!(
        "coredns_proxy_conn_cache_misses_total{{proto=\"tcp-tls\",proxy_name=\"forward\",to=\"{address}\"}}"
    );
    assert!(kit.metrics.text().contains(&hits), "{}", kit.metrics.text());
    std::fs::write(folder.join("ca.pem"), "nonsense").unwrap();
    let text = format!("forward . tls://{address} {{\ntls ca.pem\n}}");
    let refused = kit.plugin(&super::PLUGIN, &text).err().unwrap();
    assert!(refused.contains("cannot set up TLS"), "{refused}");
    std::fs::remove_dir_all(folder).unwrap();
}
