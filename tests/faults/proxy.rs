//! What stands between the product and the API server, and breaks: it answers wrongly, cuts,
//! hangs, or forgets a connection without a word. Knows only requests without a body.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a part of a test program"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What happens to one request.
#[derive(Clone)]
pub enum Act {
    Pass,
    /// These bytes, and the end of the connection.
    Answer(String),
    /// So many bytes of the server's own answer, and the end of the connection.
    Half(usize),
}

/// A request that came.
#[derive(Clone)]
pub struct Seen {
    pub at: Instant,
    /// Path and query.
    pub target: String,
    pub agent: String,
    pub accept: String,
}

impl Seen {
    pub fn is_in_protobuf(&self) -> bool {
        self.accept.contains("protobuf")
    }

    pub fn is_watch(&self) -> bool {
        self.target.contains("watch=")
    }

    /// Whether it lists or watches this resource.
    pub fn is_of(&self, resource: &str) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        path.ends_with(&format!("/{resource}"))
    }

    /// Whether it asks for everything that there is, in pages or as a stream.
    pub fn is_list(&self) -> bool {
        let is_page = self.target.contains("limit=") && !self.is_watch();
        is_page || self.target.contains("sendInitialEvents=true")
    }
}

type Rule = Box<dyn Fn(&Seen) -> Act + Send>;

struct Shared {
    upstream: String,
    rule: Mutex<Rule>,
    seen: Mutex<Vec<Seen>>,
    frozen: watch::Sender<bool>,
    /// Connections of an earlier age are cut, or forgotten.
    age: watch::Sender<(u64, bool)>,
    open: watch::Sender<usize>,
}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    accepts: Mutex<Option<AbortHandle>>,
}

impl Proxy {
    /// In front of `upstream`, as `host:port`.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                upstream: upstream.to_owned(),
                rule: Mutex::new(Box::new(|_| Act::Pass)),
                seen: Mutex::default(),
                frozen: watch::channel(false).0,
                age: watch::channel((0, false)).0,
                open: watch::channel(0).0,
            }),
            accepts: Mutex::default(),
        };
        proxy.accept(listener);
        proxy
    }

    fn accept(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    shared.open.send_modify(|n| *n += 1);
                    let _ = shared.serve(stream).await;
                    shared.open.send_modify(|n| *n -= 1);
                });
            }
        });
        *self.accepts.lock().unwrap() = Some(task.abort_handle());
    }

    /// From now on every new request is treated so.
    pub fn rule(&self, rule: impl Fn(&Seen) -> Act + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// What comes from now on is counted from none.
    pub fn forget_seen(&self) {
        self.shared.seen.lock().unwrap().clear();
    }

    /// Ends every open connection.
    pub fn cut(&self) {
        self.shared.age.send_modify(|(age, _)| *age += 1);
    }

    /// The server hangs: connections stay, nothing comes, nothing breaks.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// From now on nothing comes over the connections that are open, and neither side is told.
    pub fn forget_connections(&self) {
        self.shared
            .age
            .send_modify(|(age, silent)| (*age, *silent) = (*age + 1, true));
    }

    /// Nobody listens any more.
    pub fn kill(&self) {
        if let Some(accepts) = self.accepts.lock().unwrap().take() {
            accepts.abort();
        }
        self.cut();
    }

    pub async fn revive(&self) {
        let listener = loop {
            // The old listener goes with its task, which takes a moment.
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_in_use) => tokio::task::yield_now().await,
            }
        };
        self.accept(listener);
    }

    /// Waits until no connection is open.
    pub async fn all_closed(&self) {
        let mut open = self.shared.open.subscribe();
        open.wait_for(|n| *n == 0).await.unwrap();
    }
}

impl Shared {
    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut age = self.age.subscribe();
        age.mark_unchanged();
        let silent = tokio::select! {
            done = self.exchange(&mut client) => return done,
            changed = age.changed() => changed.is_ok() && age.borrow().1,
        };
        if silent {
            // Held open until the other side gives up.
            let mut rest = [0; 512];
            while client.read(&mut rest).await? > 0 {}
        }
        Ok(())
    }

    async fn exchange(&self, client: &mut TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        while !head.ends_with(b"\r\n\r\n") {
            let n = client.read(&mut buffer).await?;
            if n == 0 {
                return Ok(());
            }
            head.extend(buffer.iter().take(n));
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            })
        };
        let seen = Seen {
            at: Instant::now(),
            target: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            agent: header("user-agent").unwrap_or_default(),
            accept: header("accept").unwrap_or_default(),
        };
        self.seen.lock().unwrap().push(seen.clone());
        self.flowing().await;
        let act = (self.rule.lock().unwrap())(&seen);
        let most = match act {
            Act::Answer(bytes) => {
                client.write_all(bytes.as_bytes()).await?;
                return client.shutdown().await;
            }
            Act::Half(bytes) => bytes,
            Act::Pass => usize::MAX,
        };
        let mut server = TcpStream::connect(&self.upstream).await?;
        // One request a connection: then each of them is seen.
        let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        server.write_all(head.as_bytes()).await?;
        let mut passed = 0;
        loop {
            let n = tokio::select! {
                n = server.read(&mut buffer) => n?,
                // The client says nothing more; it can only go.
                _gone = client.readable() => {
                    let mut one = [0; 1];
                    match client.try_read(&mut one) {
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                        _ => return Ok(()),
                    }
                }
            };
            self.flowing().await;
            let n = n.min(most - passed);
            if n == 0 {
                return Ok(());
            }
            client
                .write_all(buffer.get(..n).unwrap_or_default())
                .await?;
            passed += n;
        }
    }

    async fn flowing(&self) {
        let mut frozen = self.frozen.subscribe();
        frozen.wait_for(|frozen| !frozen).await.unwrap();
    }
}

/// An answer of the API server that says no.
pub fn refusal(code: u16, reason: &str) -> Act {
    refuse(code, &status(code, reason, 0))
}

/// Not now, but in so many seconds.
pub fn not_now(seconds: u32) -> Act {
    refuse(429, &status(429, "TooManyRequests", seconds))
}

/// The same as priority and fairness says it: in a header, with a line of text.
pub fn not_now_in_a_header(seconds: u32) -> Act {
    let body = "Too many requests, please try again later.\n";
    Act::Answer(format!(
        "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nRetry-After: {seconds}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn refuse(code: u16, body: &str) -> Act {
    Act::Answer(format!(
        "HTTP/1.1 {code} No\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

pub fn status(code: u16, reason: &str, again: u32) -> String {
    format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{reason} for a test","reason":"{reason}","details":{{"retryAfterSeconds":{again}}},"code":{code}}}"#
    )
}

/// An answer with code 200.
pub fn answer(body: &str) -> Act {
    Act::Answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{body}"
    ))
}
