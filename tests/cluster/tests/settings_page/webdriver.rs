//! A browser without a window, by the `WebDriver` protocol: JSON over HTTP.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use tokenauth_cluster::{http, temporary_directory};

/// The key that `WebDriver` writes elements under.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as `WebDriver` names them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const SPACE: &str = " ";
pub const DOWN: &str = "\u{e015}";

pub struct Browser {
    driver: Child,
    address: String,
    session: String,
    /// What it leaves behind when it ends.
    scratch: PathBuf,
}

impl Browser {
    /// Starts a browser.
    ///
    /// Where none is installed, a message says that `what` is not tested; a machine that tests every change, which sets
    /// `CI`, must have one.
    pub fn start(what: &str) -> Option<Self> {
        let scratch = temporary_directory();
        let spawned = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", &scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut driver) = spawned else {
            let _ = fs::remove_dir(&scratch);
            assert!(env::var_os("CI").is_none(), "there is no chromedriver; 'make setup-tests' installs it on Debian");
            // Not with `eprintln!`, whose output is shown for failed tests only.
            let _ = writeln!(std::io::stderr(), "NOT TESTED: {what}, without chromium and its driver");
            return None;
        };
        let mut said = BufReader::new(driver.stdout.take().expect("a pipe"));
        let mut address = String::new();
        while address.is_empty() {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "the driver of the browser did not start");
            if let Some(port) = line.trim_end().strip_suffix('.').and_then(|line| line.rsplit_once(" on port ")) {
                address = format!("127.0.0.1:{}", port.1);
            }
        }
        // What else it says would fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let mut browser = Self { driver, address, session: String::new(), scratch };
        // Its sandbox refuses root and needs what containers may lack; the only page it visits is ours.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--window-size=1100,800",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
        ];
        // A click may return before the page that it leads to is there: what is looked for is waited for.
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "timeouts": {"implicit": 30_000},
        });
        let session = browser.call("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        Some(browser)
    }

    pub fn open(&self, address: &str) {
        self.ask("/url", &json!({"url": address}));
    }

    /// Where the browser is, without the host.
    pub fn path(&self) -> String {
        self.run("return location.pathname").as_str().unwrap().to_owned()
    }

    /// Clicks what this CSS selector finds.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.ask(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into what this CSS selector finds, in place of what is in there.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.ask(&format!("/element/{element}/clear"), &json!({}));
        self.ask(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Presses keys, whatever has the focus.
    pub fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        });
        let strokes: Vec<Value> = strokes.collect();
        self.ask("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// Presses the tabulator until what this CSS selector finds has the focus, which must be visible there.
    #[track_caller]
    pub fn tab_to(&self, selector: &str) {
        for _ in 0..80 {
            self.press(TAB);
            let state = "const e = document.activeElement; return e.matches(arguments[0])
                           ? getComputedStyle(e).outlineStyle !== 'none' : null";
            match self.run_with(state, &[json!(selector)]) {
                Value::Null => {}
                is_visible => return assert_eq!(is_visible, json!(true), "the focus on {selector} is not visible"),
            }
        }
        panic!("the tabulator does not lead to {selector} in {}", self.path());
    }

    /// Waits until a script returns true.
    #[track_caller]
    pub fn wait_for(&self, script: &str) {
        let start = Instant::now();
        while self.run(script) != json!(true) {
            assert!(start.elapsed() < Duration::from_secs(120), "{script} did not become true in {}", self.path());
            sleep(Duration::from_millis(50));
        }
    }

    /// Runs a script in the page.
    pub fn run(&self, script: &str) -> Value {
        self.run_with(script, &[])
    }

    pub fn run_with(&self, script: &str, arguments: &[Value]) -> Value {
        self.ask("/execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// Runs a script that ends by calling its last argument.
    pub fn run_to_end(&self, script: &str) -> Value {
        self.ask("/execute/async", &json!({"script": script, "args": []}))
    }

    /// The size of the window's contents, in CSS pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Lets pages of this origin read what was copied.
    pub fn allow_clipboard(&self, origin: &str) {
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        self.devtools("Browser.grantPermissions", &json!({"origin": origin, "permissions": permissions}));
    }

    /// Whether pages may run scripts of their own.
    pub fn allow_scripts(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": !allowed}));
    }

    /// Writes what the window shows as PNG.
    pub fn photograph(&self, path: &Path) {
        let picture = self.call("GET", &format!("{}/screenshot", self.session), &Value::Null);
        fs::write(path, decoded(picture.as_str().expect("a picture"))).unwrap();
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.ask("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    #[track_caller]
    fn find(&self, selector: &str) -> String {
        let element = self.ask("/element", &json!({"using": "css selector", "value": selector}));
        element[ELEMENT].as_str().expect("an element").to_owned()
    }

    #[track_caller]
    fn ask(&self, command: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}{command}", self.session), body)
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::send(&self.address, method, path, &[("Content-Type", "application/json")], &body);
        assert_eq!(answer.status, 200, "{path} {:.300}: {}", body, answer.body);
        serde_json::from_str::<Value>(&answer.body).expect("JSON")["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser is no child of ours: a driver that is killed leaves it behind.
        let _ = http::try_to_send(&self.address, "DELETE", &self.session, &[], "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Base64, as `WebDriver` writes pictures.
fn decoded(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let digits: Vec<u8> = digits.collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn base64_is_read() {
    assert_eq!(decoded("YWJj"), b"abc");
    assert_eq!(decoded("YWI="), b"ab");
    assert_eq!(decoded("/+8="), [0xff, 0xef]);
}
