//! What `examples/monitoring` names, exists: metrics by the page that lists them, fields by the documentation of the
//! programs that read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tokenauth_cluster::example;

use super::listed::{self, names_in};

/// A file for a program that exports all metrics, with the fields that are used and that its documentation has.
struct Exporter {
    file: &'static str,
    /// The field that has a metric's name.
    name: &'static str,
    /// The field that has its text.
    help: &'static str,
    fields: &'static [&'static str],
}

const EXPORTERS: [Exporter; 3] = [
    Exporter {
        file: "prometheus-sql-exporter.yaml",
        name: "name",
        help: "help",
        fields: &[
            "jobs",
            "name",
            "interval",
            "connections",
            "startup_sql",
            "queries",
            "help",
            "labels",
            "values",
            "query",
            "allow_zero_rows",
        ],
    },
    Exporter {
        file: "tokenauth.collector.yaml",
        name: "metric_name",
        help: "help",
        fields: &["collector_name", "metrics", "metric_name", "type", "help", "key_labels", "values", "query"],
    },
    Exporter {
        file: "otel-collector.yaml",
        name: "metric_name",
        help: "description",
        fields: &[
            "receivers",
            "sqlquery",
            "driver",
            "datasource",
            "collection_interval",
            "queries",
            "sql",
            "metrics",
            "metric_name",
            "value_column",
            "attribute_columns",
            "data_type",
            "value_type",
            "monotonic",
            "aggregation",
            "description",
            "exporters",
            "prometheus",
            "endpoint",
            "service",
            "pipelines",
        ],
    },
];

fn read(file: &str) -> String {
    fs::read_to_string(example("monitoring").join(file)).unwrap()
}

/// Fields and values of the lines of a file in YAML, in order; of what is nested, the field alone.
fn fields(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let fields = lines.filter_map(|line| line.trim_start().trim_start_matches("- ").split_once(':'));
    let fields = fields.filter(|(field, _)| field.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
    fields.map(|(field, value)| (field, value.trim().trim_matches('"'))).collect()
}

#[test]
fn each_exporter_asks_for_every_metric_by_fields_that_it_knows() {
    for Exporter { file, name, help, fields: known } in EXPORTERS {
        let text = read(file);
        let fields = fields(&text);
        let strange: Vec<_> = fields.iter().filter(|(field, _)| !known.contains(field)).collect();
        assert_eq!(strange, Vec::<&(&str, &str)>::new(), "{file}");
        // The fields of a metric, from its name on.
        let mut metrics: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        let mut of = None;
        let mut sql = "";
        for (field, value) in fields {
            match field {
                _ if field == name && value.starts_with("tokenauth_") => {
                    of = Some(value);
                    // The receiver's query comes before what is made of it.
                    metrics.insert(value, vec![("sql", sql)]);
                }
                "sql" => (of, sql) = (None, value),
                _ => {
                    if let Some(metric) = of {
                        metrics.get_mut(metric).unwrap().push((field, value));
                    }
                }
            }
        }
        let listed = listed::metrics();
        assert_eq!(metrics.len(), listed.len(), "{file}");
        for metric in &listed {
            let of = &metrics[metric.name.as_str()];
            assert!(of.contains(&(help, &metric.help)), "{file}: {}", metric.name);
            let query = of.iter().find(|(field, value)| ["query", "sql"].contains(field) && !value.is_empty());
            let (label, list) = match metric.label.as_str() {
                "" => (String::new(), None),
                label => (format!("labels ->> '{label}' AS {label}, "), Some(format!("[{label}]"))),
            };
            let asks = format!("SELECT {label}value FROM tokenauth.metrics WHERE name = '{}'", metric.name);
            assert_eq!(query.map(|(_, query)| *query), Some(asks.as_str()), "{file}");
            let labels = of.iter().find(|(field, _)| ["labels", "key_labels", "attribute_columns"].contains(field));
            assert_eq!(labels.map(|(_, labels)| *labels), list.as_deref(), "{file}: {}", metric.name);
            let is_counter = of.contains(&("type", "counter")) || of.contains(&("monotonic", "true"));
            // One of them does not tell counters apart.
            assert!(file == EXPORTERS[0].file || is_counter == (metric.kind == "counter"), "{file}: {}", metric.name);
        }
    }
}

#[test]
fn the_exporter_that_calls_metrics_by_query_and_column_asks_for_every_one() {
    let text = read("postgres_exporter.yaml");
    let asked: Vec<&str> = text.split("name = '").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
    let listed = listed::metrics();
    assert_eq!(asked, listed.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>());
    for metric in listed {
        let (query, column) = metric.name.rsplit_once('_').expect("several words");
        let usage = metric.kind.to_uppercase();
        let described = format!("    - {column}: {{ usage: {usage}, description: \"{}\" }}\n", metric.help);
        let (_, section) = text.split_once(&format!("\n{query}:\n")).expect("a section of that name");
        assert!(
            section.split("\n\n").next().is_some_and(|own| (own.to_owned() + "\n").contains(&described)),
            "{query}"
        );
    }
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let listed: BTreeSet<String> = listed::metrics().into_iter().map(|metric| metric.name).collect();
    let alerts = names_in(&read("alerts.yaml"));
    assert!(alerts.len() > 5 && alerts.iter().all(|name| listed.contains(name)), "{alerts:?}");
    let dashboard = read("grafana.json");
    assert_eq!(names_in(&dashboard).into_iter().collect::<BTreeSet<_>>(), listed);
}

#[test]
fn labels_in_queries_are_those_of_the_metrics() {
    let of: BTreeMap<String, String> =
        listed::metrics().into_iter().map(|metric| (metric.name, metric.label)).collect();
    let mut queries: Vec<String> = Vec::new();
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(panel["title"].is_string() && panel["gridPos"]["w"].is_u64(), "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            queries.push(target["expr"].as_str().expect("a query").to_owned());
        }
    }
    queries.extend(read("alerts.yaml").lines().filter(|line| line.contains("tokenauth_")).map(str::to_owned));
    for query in queries {
        for part in query.split("tokenauth_").skip(1) {
            let end = part.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let selected = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let selected = selected.map_or("", |(selected, _)| selected);
            for selector in selected.split(", ").filter(|selector| !selector.is_empty()) {
                let label = selector.split(['=', '!']).next().unwrap();
                let own = &of[&format!("tokenauth_{name}")];
                assert!(label == "instance" || label == own, "{query}: {label}");
            }
        }
    }
}
