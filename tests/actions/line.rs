//! A line to the API server that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::stage::Stage;

/// Passes bytes on to the API server, until it is told to refuse and cut everything.
pub(crate) struct Line {
    address: String,
    is_cut: Arc<AtomicBool>,
}

impl Line {
    /// Between the binary and the API server of the stage.
    pub(crate) async fn before(stage: &mut Stage) -> Self {
        let text = std::fs::read_to_string(&stage.kubeconfig).unwrap();
        let rest = text.split_once("://").unwrap().1;
        let host: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || ".:-".contains(*c))
            .collect();
        let line = Self::to(host.clone()).await;
        let through = stage.folder.path().join("through");
        std::fs::write(&through, text.replace(&host, &line.address)).unwrap();
        stage.kubeconfig = through;
        line
    }

    /// The server is away: long enough for several tries, shorter than a lease is good for.
    pub(crate) async fn cut_for_a_while(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.is_cut.store(false, Ordering::SeqCst);
    }

    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (server, cut) = (server.clone(), Arc::clone(&cut));
                tokio::spawn(async move {
                    if cut.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(&server).await else {
                        return;
                    };
                    let watch = async {
                        while !cut.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = watch => {}
                    }
                });
            }
        });
        Self { address, is_cut }
    }
}
