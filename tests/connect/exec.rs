//! The exec session against a server that misbehaves in every way that matters.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wsdash::cluster::exec::{ExecEnd, ExecRequest, PodTarget, WindowSize, exec, run};
use wsdash::cluster::fault::FaultKind;

use super::{Home, at, connect, server};

const SUCCESS: &str = r#"{"status":"Success"}"#;
const FLOOD: usize = 4 * 1024 * 1024;

/// What the server does is the name of the pod.
async fn upgrade(Path((_, pod)): Path<(String, String)>, socket: WebSocketUpgrade) -> Response {
    let protocol = if pod == "old" {
        "v4.channel.k8s.io"
    } else {
        "v5.channel.k8s.io"
    };
    socket
        .protocols([protocol])
        .on_upgrade(move |socket| async move {
            // a client that has gone is the end of its session
            let _ = behave(&pod, socket).await;
        })
}

async fn behave(pod: &str, mut socket: WebSocket) -> Result<(), axum::Error> {
    let channel = |number: u8, bytes: &[u8]| Message::Binary([&[number], bytes].concat().into());
    // the real server opens every channel so
    for number in 1..=3 {
        socket.send(channel(number, b"")).await?;
    }
    match pod {
        "exits-3" => {
            socket.send(channel(1, b"out")).await?;
            socket.send(channel(2, b"err")).await?;
            let status = json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
                "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
            socket
                .send(channel(3, status.to_string().as_bytes()))
                .await?;
        }
        "status-first" => {
            socket.send(channel(3, SUCCESS.as_bytes())).await?;
            for _ in 0..64 {
                socket.send(channel(1, &[b'x'; 1024])).await?;
            }
        }
        "floods" => {
            for _ in 0..FLOOD / 1024 {
                socket.send(channel(1, &[b'x'; 1024])).await?;
            }
            socket.send(channel(3, SUCCESS.as_bytes())).await?;
        }
        "no-command" => {
            let message =
                r#"OCI runtime exec failed: exec: "bash": executable file not found in $PATH"#;
            let status = json!({"status": "Failure", "reason": "InternalError", "code": 500, "message": message});
            socket
                .send(channel(3, status.to_string().as_bytes()))
                .await?;
        }
        "drops" => {
            socket.send(channel(1, b"half a l")).await?;
            return Ok(());
        }
        "silent" => {
            socket.send(channel(1, b"hello")).await?;
            std::future::pending::<()>().await;
        }
        // echoes what comes in on stdin, with sizes of the terminal in brackets
        _ => {
            while let Some(message) = socket.recv().await {
                let Message::Binary(bytes) = message? else {
                    continue;
                };
                match bytes.first() {
                    Some(0) => socket.send(channel(1, &bytes[1..])).await?,
                    Some(4) => {
                        let size = [b"[", &bytes[1..], b"]"].concat();
                        socket.send(channel(1, &size)).await?;
                    }
                    Some(255) => break,
                    _ => {}
                }
            }
            socket.send(channel(3, SUCCESS.as_bytes())).await?;
        }
    }
    // closing with pings unread would reset the connection and lose what is under way
    socket.send(Message::Close(None)).await?;
    while let Some(Ok(_)) = socket.recv().await {}
    Ok(())
}

async fn client() -> kube::Client {
    let router = Router::new().route(
        "/api/v1/namespaces/{namespace}/pods/{pod}/exec",
        any(upgrade),
    );
    let address = server::serve(router).await;
    let home = Home::new();
    connect(&home.kubeconfig(&at(address), "{}"))
        .await
        .unwrap()
        .client
}

fn pod(name: &str) -> PodTarget {
    PodTarget::new("a", name)
}

fn request(stdin: bool) -> ExecRequest {
    ExecRequest {
        command: vec!["sh".to_owned()],
        stdin,
        ..ExecRequest::default()
    }
}

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn output_and_exit_code_come_back_apart() {
    let output = run(&client().await, &pod("exits-3"), None, &["sh"], b"", LIMIT)
        .await
        .unwrap();
    assert_eq!(output.stdout, b"out");
    assert_eq!(output.stderr, b"err");
    assert_eq!(output.code, 3);
}

#[tokio::test]
async fn output_that_the_status_overtook_is_not_lost() {
    let output = run(
        &client().await,
        &pod("status-first"),
        None,
        &["sh"],
        b"",
        LIMIT,
    )
    .await
    .unwrap();
    assert_eq!(output.stdout.len(), 64 * 1024);
}

#[tokio::test]
async fn the_end_of_the_input_reaches_the_command() {
    let client = client().await;
    let input = vec![7; 300_000];
    let output = run(&client, &pod("echo"), None, &["cat"], &input, LIMIT)
        .await
        .unwrap();
    assert!(output.stdout == input);

    // dropping is end of file, too
    let mut session = exec(&client, &pod("echo"), request(true)).await.unwrap();
    drop(session.stdin.take());
    assert_eq!(session.finish().await, ExecEnd::Exited(0));
}

#[tokio::test]
async fn output_that_nobody_reads_does_not_keep_a_session_from_ending() {
    let session = exec(&client().await, &pod("floods"), request(false))
        .await
        .unwrap();
    assert_eq!(session.finish().await, ExecEnd::Exited(0));
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte() {
    let mut session = exec(&client().await, &pod("floods"), request(false))
        .await
        .unwrap();
    let mut stdout = session.stdout.take().unwrap();
    let reader = tokio::spawn(async move {
        let mut length = 0;
        let mut part = vec![0; 10_000];
        while let Ok(read @ 1..) = stdout.read(&mut part).await {
            length += read;
            tokio::task::yield_now().await;
        }
        length
    });
    assert_eq!(session.finish().await, ExecEnd::Exited(0));
    assert_eq!(reader.await.unwrap(), FLOOD);
}

#[rstest]
#[case("drops", b"half a l", Duration::from_secs(5))]
#[case("silent", b"hello", Duration::from_secs(30))]
#[tokio::test]
async fn a_lost_connection_is_told_within_seconds_and_ends_the_output(
    #[case] name: &str,
    #[case] before: &[u8],
    #[case] limit: Duration,
) {
    let mut session = exec(&client().await, &pod(name), request(true))
        .await
        .unwrap();
    let started = Instant::now();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    let mut seen = Vec::new();
    let (end, read) = tokio::join!(session.finish(), stdout.read_to_end(&mut seen));
    read.unwrap();
    assert!(matches!(end, ExecEnd::Lost(_)), "{end:?}");
    assert_eq!(seen, before);
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert!(
        stdin.write_all(b"anybody?").await.is_err(),
        "a dead session takes no keys"
    );
}

#[tokio::test]
async fn a_missing_command_is_told_from_a_failing_one() {
    let fault = run(
        &client().await,
        &pod("no-command"),
        None,
        &["bash"],
        b"",
        LIMIT,
    )
    .await
    .unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoCommand);
}

#[tokio::test]
async fn sizes_of_the_terminal_arrive_before_the_keys_typed_after_them() {
    let request = ExecRequest {
        tty: true,
        size: Some(WindowSize {
            width: 80,
            height: 24,
        }),
        ..request(true)
    };
    let mut session = exec(&client().await, &pod("echo"), request).await.unwrap();
    assert!(session.stderr.is_none());
    let mut stdout = session.stdout.take().unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut seen = vec![0; r#"[{"Height":24,"Width":80}]"#.len()];
    stdout.read_exact(&mut seen).await.unwrap();
    assert_eq!(
        String::from_utf8(seen).unwrap(),
        r#"[{"Height":24,"Width":80}]"#
    );

    session.resizer().send_replace(Some(WindowSize {
        width: 132,
        height: 50,
    }));
    stdin.write_all(b"x").await.unwrap();
    stdin.shutdown().await.unwrap();
    let mut rest = String::new();
    let (end, read) = tokio::join!(session.finish(), stdout.read_to_string(&mut rest));
    read.unwrap();
    assert_eq!(rest, r#"[{"Height":50,"Width":132}]x"#);
    assert_eq!(end, ExecEnd::Exited(0));
}

#[tokio::test]
async fn a_server_that_cannot_be_told_the_end_of_input_is_no_endless_wait() {
    let fault = run(&client().await, &pod("old"), None, &["cat"], b"x", LIMIT)
        .await
        .unwrap_err();
    assert!(fault.sentence.contains("input has ended"), "{fault}");
}

#[tokio::test]
async fn a_server_that_opens_no_websocket_is_named() {
    let address = server::serve(Router::new().fallback(|| async { "hello" })).await;
    let home = Home::new();
    let client = connect(&home.kubeconfig(&at(address), "{}"))
        .await
        .unwrap()
        .client;
    let fault = run(&client, &pod("a"), None, &["sh"], b"", LIMIT)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoWebsocket);
}
