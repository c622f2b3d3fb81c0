//! In front of other services: nginx asks `/auth` about each request, as `examples/service/nginx.conf` has it, and
//! resource servers ask `/introspect` about a token.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokenauth_cluster::contract::Issued;
use tokenauth_cluster::{example, wait_until};

use crate::product::{Answer, Product};

/// A request to the service behind nginx, with what a forger would add.
const REQUEST: &str = r#"curl https://api.example.com/anything -H "Authorization: Bearer sk_your_api_key" \
    -H "X-Auth-Owner: account:root" -H "X-Auth-Scopes: *""#;

/// What a resource server asks.
const INTROSPECT: &str = r#"curl -X POST https://api.parsesphere.com/introspect \
-H "Authorization: Bearer sk_your_api_key" --data-urlencode "token=presented" -d token_type_hint=access_token"#;

const TOKEN: &str = "sk_your_api_key";

fn parsesphere() -> Product {
    let parsesphere = Product::start("parsesphere");
    parsesphere.sql(
        "SELECT tokenauth.put_principal('account:ann', '{parses:*}');
         SELECT tokenauth.put_principal('account:bea 50%é', '{parses:read}');
         SELECT tokenauth.put_principal('account:poor', '{invoices:read}');
         SELECT tokenauth.put_principal('account:gateway', '{tokens:introspect}');
         INSERT INTO tokenauth.kind (name, prefix, owner_types, permission_mode, rate_limit, rate_interval)
         VALUES ('slow', 'slow_', '{account}', 'live', 1, '1 hour')",
    );
    parsesphere
}

/// An nginx in front of a service that answers each request with what it was asked.
struct Proxy {
    process: Child,
    address: String,
}

impl Proxy {
    /// `None`, and a line that says so, where nginx is not installed.
    fn start(product: &Product) -> Option<Self> {
        let Some(nginx) = installed() else {
            // Past the test harness, which keeps what passing tests print to itself.
            let _ = writeln!(std::io::stderr(), "NOT TESTED: nginx in front of a service, which is not installed");
            return None;
        };
        let echo = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = echo.local_addr().unwrap().to_string();
        thread::spawn(move || {
            echo.incoming().flatten().for_each(|stream| drop(thread::spawn(|| answer_with_request(stream))));
        });
        // Free until nginx takes it, in all likelihood.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let directory = product.server.file("nginx");
        fs::create_dir_all(&directory).unwrap();
        let place = directory.display();
        // What an installation has in its main file.
        let here = format!(
            "http {{\n    access_log {place}/access.log;\n    client_body_temp_path {place}/body;\n    \
             proxy_temp_path {place}/proxy;\n    \
             fastcgi_temp_path {place}/fastcgi;\n    uwsgi_temp_path {place}/uwsgi;\n    scgi_temp_path {place}/scgi;"
        );
        let configuration = fs::read_to_string(example("service/nginx.conf")).unwrap();
        let configuration = configuration
            .replace("SERVICE", product.address())
            .replace("UPSTREAM", &upstream)
            .replace("listen LISTEN", &format!("listen {address}"))
            .replacen("http {", &here, 1);
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let process = Command::new(nginx)
            .arg("-p")
            .arg(&directory)
            .arg("-c")
            .arg(&file)
            .arg("-g")
            .arg(format!("daemon off; pid {place}/pid; error_log {place}/error.log;"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx can be run");
        let proxy = Proxy { process, address };
        wait_until("nginx to listen", || TcpStream::connect(&proxy.address).is_ok());
        Some(proxy)
    }

    fn ask(&self, command: &str, token: &str) -> Answer {
        Product::sh_at(&format!("http://{}", self.address), command, TOKEN, token)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGQUIT lets it end what it is about; its workers end with it.
        let _ = kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGQUIT);
        let _ = self.process.wait();
    }
}

fn installed() -> Option<PathBuf> {
    ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].into_iter().map(PathBuf::from).find(|program| Path::is_file(program))
}

fn answer_with_request(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    let length = request.len();
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(&request);
}

#[test]
fn nginx_lets_in_whom_the_service_knows_and_tells_the_upstream_who_it_is() {
    let mut parsesphere = parsesphere();
    let ann = parsesphere.issue("'api-key', 'account:ann', 'Ann''s'");
    let bea = parsesphere.issue("'api-key', 'account:bea 50%é', 'Bea''s'");
    let poor = parsesphere.issue("'api-key', 'account:poor', 'Poor'");
    let slow = parsesphere.issue("'slow', 'account:ann', 'Slow'");
    let dead = parsesphere.issue("'api-key', 'account:ann', 'Dead'");
    parsesphere.sql(&format!("SELECT tokenauth.revoke('{}')", dead.id));
    let Some(proxy) = Proxy::start(&parsesphere) else { return };
    let told = |answer: &Answer, header: &str| -> Vec<String> {
        let name = format!("{header}: ");
        let lines = answer.body.lines().filter(|line| line.to_ascii_lowercase().starts_with(&name));
        lines.map(|line| line[name.len()..].to_owned()).collect()
    };

    let valid = proxy.ask(REQUEST, &ann.token);
    assert_eq!(valid.status, 200, "{valid:?}");
    assert_eq!(told(&valid, "x-auth-owner"), ["account:ann"]);
    assert_eq!(told(&valid, "x-auth-scopes"), ["parses:*"]);
    assert_eq!(told(&valid, "x-correlation-id"), [valid.header("x-correlation-id")]);
    assert!(told(&valid, "authorization").is_empty() && !valid.body.contains(&ann.token), "{valid:?}");
    // Whatever an id is made of.
    let odd = proxy.ask(REQUEST, &bea.token);
    assert_eq!(told(&odd, "x-auth-owner"), ["account:bea 50%25%C3%A9"]);

    // Nobody who is refused reaches the upstream, whatever he calls himself.
    for refused in [&dead.token[..], "nonsense", ""] {
        let answer = proxy.ask(REQUEST, refused);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        assert!(!answer.body.contains("account:root"), "{answer:?}");
    }
    let lacking = proxy.ask(REQUEST, &poor.token);
    assert_eq!(lacking.status, 403, "{lacking:?}");
    assert!(lacking.header("www-authenticate").contains("insufficient_scope"), "{lacking:?}");
    let both = format!("{REQUEST} -H \"X-API-Key: {}\"", bea.token);
    assert_eq!(proxy.ask(&both, &ann.token).status, 400);
    assert_eq!(proxy.ask(REQUEST, &slow.token).status, 200);
    let limited = proxy.ask(REQUEST, &slow.token);
    assert_eq!(limited.status, 429, "{limited:?}");
    assert!(limited.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{limited:?}");
    assert_eq!(limited.header("x-correlation-id").len(), 32);
    // Nobody asks about requests but nginx itself.
    let own = REQUEST.replace("/anything", "/auth");
    assert_eq!(proxy.ask(&own, &ann.token).status, 404);

    // The address is that of nginx's client.
    let bound = parsesphere.issue("'api-key', 'account:ann', 'Bound', networks => '{127.0.0.1/32}'");
    let elsewhere = parsesphere.issue("'api-key', 'account:ann', 'Elsewhere', networks => '{192.0.2.0/24}'");
    assert_eq!(proxy.ask(REQUEST, &bound.token).status, 200);
    let spoofed = format!("{REQUEST} -H \"X-Real-IP: 192.0.2.1\"");
    assert_eq!(proxy.ask(&spoofed, &elsewhere.token).status, 403);

    // A revocation counts at once.
    parsesphere.sql(&format!("SELECT tokenauth.revoke('{}')", ann.id));
    assert_eq!(proxy.ask(REQUEST, &ann.token).status, 401);
    // Where the service cannot tell, nobody is let in.
    parsesphere.sql(
        "ALTER ROLE parsesphere_api NOLOGIN;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'parsesphere_api'",
    );
    assert_eq!(proxy.ask(REQUEST, &bea.token).status, 503);
    drop(proxy);
    parsesphere.stop();
}

#[test]
fn a_resource_server_with_a_token_of_its_own_is_told_what_a_token_is_good_for() {
    let mut parsesphere = parsesphere();
    let gateway = parsesphere.issue("'api-key', 'account:gateway', 'Gateway'");
    let ann = parsesphere.issue("'api-key', 'account:ann', 'Ann''s', expires_in => '1 hour'");
    let ask =
        |presented: &str, by: &Issued| parsesphere.sh(&INTROSPECT.replace("presented", presented), TOKEN, &by.token);
    let told = ask(&ann.token, &gateway);
    assert_eq!(told.header("cache-control"), "no-store");
    let mut told = told.json(200);
    let [issued, expires] = ["iat", "exp"].map(|member| told[member].take().as_i64().unwrap());
    assert_eq!(expires - issued, 3600);
    let members = told.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    assert_eq!(
        told,
        json!({"active": true, "scope": "parses:*", "sub": "account:ann", "client_id": "api-key", "jti": ann.id,
               "token_type": "Bearer"})
    );
    parsesphere.sql(&format!("SELECT tokenauth.revoke('{}')", ann.id));
    for refused in [&ann.token, "nonsense", ""] {
        assert_eq!(ask(refused, &gateway).json(200), json!({"active": false}));
    }
    // Who has no token that allows it is told nothing.
    let bea = parsesphere.issue("'api-key', 'account:bea 50%é', 'Bea''s'");
    let ask = |presented: &str, by: &str| parsesphere.sh(&INTROSPECT.replace("presented", presented), TOKEN, by);
    assert_eq!(ask(&bea.token, &bea.token).refusal(403)["error_code"], "insufficient_scope");
    assert_eq!(ask(&bea.token, "").refusal(401)["error_code"], "unauthorized");
    // Neither a request without a token to ask about.
    let nothing = INTROSPECT.replace("--data-urlencode \"token=presented\"", "");
    assert_eq!(parsesphere.sh(&nothing, TOKEN, &gateway.token).refusal(422)["error_code"], "invalid_request");
    parsesphere.stop();
}
