//! Objects from text, and from files that change.

use std::fs;

use super::*;
use crate::kept::Detail;

fn objects(name: &str, text: &str) -> Result<Objects, String> {
    let mut objects = Objects::default();
    for document in documents(Path::new(name), text)? {
        objects.add(document)?;
    }
    Ok(objects)
}

#[test]
fn every_form_of_kubectls_output_is_read() {
    let item = |name: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}"#)
    };
    let cases = [
        ("one document", "a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}".to_owned(), 1),
        ("documents", "a.yaml", "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: b\n".to_owned(), 2),
        ("a List", "a.yml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n".to_owned(), 2),
        ("the API's own list", "a.yaml", "apiVersion: v1\nkind: NamespaceList\nitems:\n- metadata: {name: a}\n".to_owned(), 1),
        ("JSON", "a.json", item("a"), 1),
        ("JSON in a row", "a.json", format!("{}\n{}", item("a"), item("b")), 2),
        ("JSON by another name", "dump", format!("  {}", item("a")), 1),
        ("a list of lists", "a.json", format!(r#"{{"apiVersion":"v1","kind":"List","items":[{{"kind":"List","items":[{}]}}]}}"#, item("a")), 1),
        ("nothing", "a.yaml", String::new(), 0),
        ("comments", "a.yaml", "# nothing\n".to_owned(), 0),
        ("other kinds", "a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2}".to_owned(), 0),
        ("a namesake", "a.yaml", "apiVersion: example.org/v1\nkind: Namespace\nmetadata: {name: a}".to_owned(), 0),
    ];
    for (name, file, text, n_expected) in cases {
        let read = objects(file, &text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.namespaces.len(), n_expected, "{name}");
    }
}

#[test]
fn what_is_no_object_is_an_error() {
    for text in
        ["a: [b", "{\"apiVersion\": \"v1\"", "apiVersion: v1\nkind: Service\nspec: {ports: yes}"]
    {
        assert!(objects("a.yaml", text).is_err(), "{text}");
    }
}

#[test]
fn selectors_hold_for_files_too() {
    let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: web}}}
- {apiVersion: v1, kind: Namespace, metadata: {name: b}}
- {apiVersion: v1, kind: Service, metadata: {name: a, namespace: a, labels: {tier: front}}}
- {apiVersion: v1, kind: Service, metadata: {name: b, namespace: a}}
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: b, namespace: a}}
- {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: a, labels: {tier: front}}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: b, namespace: a, labels: {tier: front}}, status: {phase: Failed}}
";
    let mut read = objects("a.yaml", text).unwrap();
    let selector = |text| Selector::parse(text).unwrap();
    read.select(Some(&selector("tier=front")), Some(&selector("team")));
    let counts = [read.namespaces.len(), read.services.len(), read.slices.len(), read.pods.len()];
    assert_eq!(counts, [1, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn files_are_read_again_and_a_broken_one_keeps_what_was_there() {
    let folder = std::env::temp_dir().join(format!("rhumb-kubernetes-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let namespace =
        |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    write("a.yaml", &namespace("a"));
    write("b.yml", &namespace("b"));
    write("notes.txt", "not: [a manifest");
    let manifests = Manifests { paths: vec![folder.clone()], labels: None, namespace_labels: None };
    let store = Arc::new(Store::new(Detail::default(), &Kind::ALL));
    let feed = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { manifests.feed(&store).await })
    };
    store.synced().await;
    let has = |name| store.has_namespace(name);
    assert!(has("a") && has("b"));
    write("b.yml", &namespace("c"));
    time::sleep(POLL * 2).await;
    assert!(has("a") && !has("b") && has("c"));
    write("b.yml", "kind: [");
    time::sleep(POLL * 2).await;
    assert!(has("a") && has("c"), "kept");
    fs::remove_file(folder.join("b.yml")).unwrap();
    time::sleep(POLL * 2).await;
    assert!(has("a") && !has("c"));
    feed.abort();
    fs::remove_dir_all(&folder).unwrap();
}
