# Makes CycloneDX's list of materials of what cargo says: its metadata as input; as arguments the crates that are linked,
# those that are needed to build as well, and the checksums of Cargo.lock, each by name and version; and the date. A crate of
# another registry than the only one that deny.toml allows, without a licence or without a checksum is an error.

def key: "\(.name) \(.version)";
def purl: "pkg:cargo/\(.name)@\(.version)";

def component:
  if .source != "registry+https://github.com/rust-lang/crates.io-index" then error("\(key) comes from \(.source)") else . end
  | {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      purl: purl,
      # Part of the library, or only run while it is built.
      scope: (if $linked[key] then "required" else "excluded" end),
      # The older form of an expression has slashes.
      licenses: [{expression: ((.license // error("\(key) has no licence")) | gsub("/"; " OR "))}],
      hashes: [{alg: "SHA-256", content: ($all_checksums[0][key] // error("Cargo.lock has no checksum of \(key)"))}],
    };

(.packages | INDEX(.id)) as $package
| .resolve.root as $root
| $package[$root] as $own
| [.resolve.nodes[] | select(.id == $root or $needed[$package[.id] | key])] as $nodes
| if ($nodes | length) != ($needed | length) + 1 then error("cargo tree and cargo metadata disagree") else . end
| {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: $date,
      component: {
        type: "library",
        "bom-ref": ($own | purl),
        name: $own.name,
        version: $own.version,
        description: $own.description,
        licenses: [{license: {id: $own.license}}],
        externalReferences: [{type: "vcs", url: $own.repository}],
      },
    },
    components: [$nodes[] | select(.id != $root) | $package[.id] | component] | sort_by(.purl),
    dependencies: [
      $nodes[] | {
        ref: ($package[.id] | purl),
        dependsOn: [.deps[] | $package[.pkg] | select($needed[key]) | purl] | unique,
      }
    ] | sort_by(.ref),
  }
