//! Prints the script that `CREATE EXTENSION` runs. pgrx's macros leave in the library what each function and block of
//! SQL is; this puts it in order, the same with every build. `cargo pgrx schema` does so too, in an order that differs
//! from run to run; a build needs nothing else of that command, which takes longer to install than the extension to
//! build.
//!
//! Usage: `tokenauth-script LIBRARY CONTROL-FILE VERSION`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::{env, fs};

use object::{Object as _, ObjectSection as _};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use pgrx_sql_entity_graph::section::{decode_entities, is_schema_section_name};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity, SqlGraphIdentifier as _, ToSql as _};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [library, control, version] = arguments.as_slice() else {
        eprintln!("usage: tokenauth-script LIBRARY CONTROL-FILE VERSION");
        return ExitCode::FAILURE;
    };
    match script(library, control, version) {
        Ok(script) => {
            print!("{script}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: could not make the script of {library}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn script(library: &str, control: &str, version: &str) -> Result<String, Failure> {
    let control = ControlFile::from_path_with_cargo_version(control, version)?;
    let name = control.module_pathname.clone().ok_or("the control file names no library")?;
    let bytes = fs::read(library)?;
    let entities = decode_entities(described(&bytes)?)?;
    let root = SqlGraphEntity::ExtensionRoot(control);
    let sql = PgrxSql::build(std::iter::once(root).chain(entities), name, false)?;
    let mut blocks = vec!["-- What CREATE EXTENSION tokenauth runs, as sql/generator has written it.\n".to_owned()];
    for node in ordered(&sql)? {
        let block = sql.graph[node].to_sql(&sql)?;
        // Without that of the root, which says that the order changes.
        if node != sql.graph_root && !block.trim().is_empty() {
            blocks.push(format!("{}\n", block.trim()));
        }
    }
    Ok(blocks.join("\n"))
}

/// The part of the library in which the macros have left it.
fn described(library: &[u8]) -> Result<&[u8], Failure> {
    let library = object::File::parse(library)?;
    let section = library.sections().find(|section| section.name().is_ok_and(is_schema_section_name));
    // The linker drops what no code refers to, unless it is told not to.
    Ok(section.ok_or("nothing is said in it; was it linked with --no-gc-sections?")?.data()?)
}

/// Everything after all that it requires, and otherwise in the order of files and lines.
fn ordered(sql: &PgrxSql) -> Result<Vec<NodeIndex>, Failure> {
    let graph = &sql.graph;
    let place = |node: NodeIndex| {
        let entity = &graph[node];
        (entity.file().map(str::to_owned), entity.line(), entity.rust_identifier(), node)
    };
    let mut required: BTreeMap<NodeIndex, usize> =
        graph.node_indices().map(|node| (node, graph.neighbors_directed(node, Direction::Incoming).count())).collect();
    let ready = required.iter().filter(|(_, count)| **count == 0).map(|(&node, _)| node);
    let mut ready: BTreeMap<_, NodeIndex> = ready.map(|node| (place(node), node)).collect();
    let mut ordered = Vec::with_capacity(graph.node_count());
    while let Some((_, node)) = ready.pop_first() {
        ordered.push(node);
        for dependent in graph.neighbors_directed(node, Direction::Outgoing) {
            let count = required.get_mut(&dependent).ok_or("an edge leads nowhere")?;
            *count -= 1;
            if *count == 0 {
                ready.insert(place(dependent), dependent);
            }
        }
    }
    if ordered.len() < graph.node_count() {
        return Err("what it installs requires itself".into());
    }
    Ok(ordered)
}
