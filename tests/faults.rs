//! What the reading does when the way to the API server breaks: rows stay, their freshness says
//! since when and why, everything comes back without a key, and nobody is asked too often.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

#[path = "faults/proxy.rs"]
mod proxy;
#[path = "faults/stage.rs"]
mod stage;

use std::time::Duration;

use proxy::{Act, Seen, answer, not_now, not_now_in_a_header, refusal, status};
use rstest::rstest;
use stage::Stage;
use strum::IntoEnumIterator as _;
use wsdash::cluster::feed::Beat;
use wsdash::domain::freshness::Freshness;
use wsdash::domain::key::Kind;

/// Between two requests of one kind for the same thing there are at least half of the shortest
/// pause; `n` requests in a row take this long at the least, as the pauses grow.
fn shortest(n: usize) -> Duration {
    let pauses = [250, 500, 1000, 2000, 2500];
    (1..n)
        .map(|i| Duration::from_millis(pauses[(i - 1).min(4)]))
        .sum()
}

fn of<'a>(seen: &'a [Seen], resource: &'a str) -> impl Iterator<Item = &'a Seen> {
    seen.iter().filter(move |s| s.is_of(resource))
}

fn span(seen: &[Seen], resource: &str) -> Duration {
    let first = of(seen, resource).next().unwrap().at;
    of(seen, resource).last().unwrap().at - first
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_listed_once_then_watched_and_the_server_knows_who_asks() {
    let mut stage = Stage::live().await;
    let first: Vec<Seen> = stage.proxy.seen();
    assert!(
        first.iter().all(|s| s.agent.starts_with("wsdash/")),
        "{:?}",
        first.iter().map(|s| &s.agent).collect::<Vec<_>>()
    );
    let (refused, lists): (Vec<&Seen>, Vec<&Seen>) =
        (first.iter().filter(|s| s.is_list())).partition(|s| s.is_in_protobuf());
    assert_eq!(lists.len(), Kind::iter().count(), "each kind once");
    // the simulation has no protobuf, and nobody asks twice
    assert_eq!(refused.len(), lists.len() - 3, "but what is never in it");
    stage.proxy.forget_seen();
    stage.make_claim("came-later").await;
    stage
        .until("a new claim", |s| s.has_claim("came-later"))
        .await;
    stage.delete_claim("came-later").await;
    stage.until("it went", |s| !s.has_claim("came-later")).await;
    // A proxy that ends connections is no reason to list again.
    stage.proxy.cut();
    let again = |s: &Stage| s.proxy.seen().iter().filter(|s| s.is_watch()).count() >= 18;
    stage.until("all is watched again", again).await;
    stage.until("all is live again", Stage::all_live).await;
    let lists = stage.proxy.seen().iter().filter(|s| s.is_list()).count();
    assert_eq!(lists, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_streamed_it_is_listed_in_pages() {
    let mut stage = Stage::set().await;
    stage.read();
    stage.until("all is streamed", Stage::all_live).await;
    let streamed: Vec<usize> = Kind::iter()
        .map(|kind| stage.inventory.count(kind))
        .collect();
    let mut stage = Stage::set().await;
    stage.reading.stream = false;
    stage.reading.page = 7;
    stage.read();
    stage.until("all is listed", Stage::all_live).await;
    let seen = stage.proxy.seen();
    assert!(!seen.iter().any(|s| s.target.contains("sendInitialEvents")));
    let pages = of(&seen, "pods").filter(|s| s.target.contains("limit=7"));
    assert!(pages.count() > 2, "in pages");
    let listed: Vec<usize> = Kind::iter()
        .map(|kind| stage.inventory.count(kind))
        .collect();
    assert_eq!(listed, streamed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_makes_everything_stale_and_comes_back_by_itself() {
    let mut stage = Stage::live().await;
    let pods = stage.inventory.count(Kind::Pod);
    assert!(pods > 0);
    stage.proxy.forget_seen();
    stage.proxy.freeze();
    stage
        .until("all is stale and said", |s| s.all_stale() && s.is_lost())
        .await;
    for (kind, freshness) in &stage.told {
        if let Freshness::Stale { why, .. } = freshness {
            assert!(why.contains("no answer within"), "{kind:?}: {why}");
        }
    }
    let Some(Beat::Lost { since, next, .. }) = stage.beat.clone() else {
        panic!("{:?}", stage.beat);
    };
    assert!(!next.is_empty());
    let Freshness::Stale { since: rows, .. } = stage.freshness(Kind::Pod) else {
        unreachable!("all is stale");
    };
    assert!(*rows >= since, "what was heard is no older than the answer");
    // Only the heartbeat asks.
    let asked = stage.proxy.seen();
    assert!(asked.iter().all(|s| !s.is_list() && !s.is_watch()));
    assert_eq!(stage.inventory.count(Kind::Pod), pods);

    stage.make_claim("made-meanwhile").await;
    assert!(!stage.has_claim("made-meanwhile"));
    stage.proxy.thaw();
    stage
        .until("all is live and nothing was missed", |s| {
            s.all_live() && s.has_claim("made-meanwhile") && !s.is_lost()
        })
        .await;
    assert!(stage.proxy.seen().iter().all(|s| !s.is_list()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_returns_is_followed_from_where_it_stopped() {
    let mut stage = Stage::live().await;
    let pods = stage.inventory.count(Kind::Pod);
    stage.proxy.forget_seen();
    stage.proxy.kill();
    stage
        .until("all is stale and said", |s| s.all_stale() && s.is_lost())
        .await;
    assert_eq!(stage.inventory.count(Kind::Pod), pods);
    stage.make_claim("made-meanwhile").await;
    stage.proxy.revive().await;
    stage
        .until("all is live and nothing was missed", |s| {
            s.all_live() && s.has_claim("made-meanwhile") && !s.is_lost()
        })
        .await;
    assert!(stage.proxy.seen().iter().all(|s| !s.is_list()));
}

/// A firewall that forgets its connections: no end, no error, and new ones work.
#[tokio::test(flavor = "multi_thread")]
async fn watches_that_were_dropped_without_a_word_are_not_called_live_after_an_outage() {
    let mut stage = Stage::live().await;
    stage.proxy.freeze();
    stage.until("all is stale", Stage::all_stale).await;
    stage.proxy.forget_connections();
    stage.make_claim("made-meanwhile").await;
    stage.proxy.thaw();
    stage
        .until("claims are live", |s| s.freshness(Kind::Claim).is_live())
        .await;
    stage
        .until("the watch is a new one", |s| s.has_claim("made-meanwhile"))
        .await;
    stage.until("all is live", Stage::all_live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_makes_everything_stale_until_it_is_renewed() {
    let mut stage = Stage::live().await;
    let pods = stage.inventory.count(Kind::Pod);
    stage.proxy.forget_seen();
    stage.proxy.rule(|_| refusal(401, "Unauthorized"));
    stage.proxy.cut();
    stage
        .until("all is stale and said", |s| s.all_stale() && s.is_lost())
        .await;
    let why = stage.stale(Kind::Pod).unwrap().to_lowercase();
    assert!(why.contains("credential") || why.contains("401"), "{why}");
    assert_eq!(stage.inventory.count(Kind::Pod), pods);
    // While it is known that nobody is let in, the heartbeat asks for all.
    let (before, since) = (stage.proxy.seen().len(), std::time::Instant::now());
    stage
        .until("the heartbeat asked three times more", |s| {
            let seen = s.proxy.seen();
            seen.iter().skip(before).filter(|s| !s.is_watch()).count() >= 3
        })
        .await;
    let watches = stage.proxy.seen().into_iter().skip(before);
    // Each kind once when it broke, and later every ten seconds at most, however long this took.
    let rounds = 1 + usize::try_from(since.elapsed().as_secs() / 10).unwrap();
    assert!(watches.filter(Seen::is_watch).count() <= 18 * rounds);
    stage.proxy.rule(|_| Act::Pass);
    stage
        .until("all is live", |s| s.all_live() && !s.is_lost())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kind_that_is_denied_says_which_right_is_missing_and_the_rest_lives() {
    let mut stage = Stage::live().await;
    let pods = stage.inventory.count(Kind::Pod);
    stage.proxy.rule(|seen| {
        if seen.is_of("pods") {
            refusal(403, "Forbidden")
        } else {
            Act::Pass
        }
    });
    stage.proxy.cut();
    stage
        .until("pods are denied, claims live", |s| {
            matches!(s.freshness(Kind::Pod), Freshness::Denied { .. })
                && s.freshness(Kind::Claim).is_live()
        })
        .await;
    let Freshness::Denied { rule } = stage.freshness(Kind::Pod) else {
        unreachable!("it is denied");
    };
    assert!(rule.contains("pods"), "{rule}");
    assert!(!stage.is_lost());
    assert_eq!(stage.inventory.count(Kind::Pod), pods);
    stage.told.clear();
    stage.proxy.forget_seen();
    stage
        .until("it was asked for again", |s| {
            of(&s.proxy.seen(), "pods").count() >= 2
        })
        .await;
    assert!(
        matches!(stage.freshness(Kind::Pod), Freshness::Denied { .. }),
        "asking again does not make it look as if it were loading"
    );
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_missing_at_first_is_found_when_it_appears() {
    let mut stage = Stage::set().await;
    let is_snapshot = |seen: &Seen| seen.target.contains("snapshot.storage.k8s.io");
    stage.proxy.rule(move |seen| {
        if is_snapshot(seen) {
            refusal(404, "NotFound")
        } else {
            Act::Pass
        }
    });
    stage.read();
    let kinds = [Kind::Snapshot, Kind::Content, Kind::SnapshotClass];
    stage
        .until("snapshots are absent, the rest lives", |s| {
            kinds
                .iter()
                .all(|k| matches!(s.freshness(*k), Freshness::Absent { .. }))
                && s.freshness(Kind::Claim).is_live()
        })
        .await;
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
    assert!(stage.inventory.count(Kind::SnapshotClass) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_too_old_is_listed_anew_and_what_vanished_goes() {
    let mut stage = Stage::set().await;
    stage.make_claim("goes").await;
    stage.read();
    stage
        .until("all is live", |s| s.all_live() && s.has_claim("goes"))
        .await;
    // The watch is refused as too old; what happened meanwhile is told by nobody.
    stage.proxy.rule(|seen| {
        if seen.is_watch() && seen.is_of("persistentvolumeclaims") {
            let expired = status(410, "Expired", 0);
            answer(&format!("{{\"type\":\"ERROR\",\"object\":{expired}}}\n"))
        } else {
            Act::Pass
        }
    });
    stage.proxy.forget_seen();
    stage.proxy.cut();
    stage.delete_claim("goes").await;
    stage.make_claim("comes").await;
    stage
        .until("a new list", |s| {
            !s.has_claim("goes") && s.has_claim("comes")
        })
        .await;
    // And if that goes on for ever, it is still not asked for all the time.
    let lists = |seen: &[Seen]| {
        of(seen, "persistentvolumeclaims")
            .filter(|s| s.is_list())
            .count()
    };
    stage
        .until("five lists", |s| lists(&s.proxy.seen()) >= 5)
        .await;
    let seen = stage.proxy.seen();
    let took = span(&seen, "persistentvolumeclaims");
    assert!(took >= shortest(5), "{took:?}");
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
}

#[rstest]
#[case::in_the_body(not_now)]
#[case::in_a_header(not_now_in_a_header)]
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_waits_as_long_as_the_server_says(#[case] refusal: fn(u32) -> Act) {
    let mut stage = Stage::live().await;
    stage.proxy.rule(move |seen| {
        if seen.is_of("pods") {
            refusal(4)
        } else {
            Act::Pass
        }
    });
    stage.proxy.forget_seen();
    stage.proxy.cut();
    stage
        .until("asked three times", |s| {
            of(&s.proxy.seen(), "pods").count() >= 3
        })
        .await;
    assert!(stage.stale(Kind::Pod).is_some());
    assert!(stage.freshness(Kind::Claim).is_live());
    let took = span(&stage.proxy.seen(), "pods");
    assert!(took >= Duration::from_secs(8), "{took:?}");
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_half_answers_are_told_and_do_not_hide_the_other_kinds() {
    let mut stage = Stage::set().await;
    stage.proxy.rule(|seen| {
        if seen.is_of("pods") {
            answer("<html>please log in</html>")
        } else if seen.is_of("persistentvolumeclaims") {
            Act::Half(700)
        } else {
            Act::Pass
        }
    });
    stage.read();
    stage
        .until("two kinds are not known, the rest lives", |s| {
            s.stale(Kind::Pod).is_some()
                && s.stale(Kind::Claim).is_some()
                && s.freshness(Kind::Set).is_live()
        })
        .await;
    stage
        .until("both were asked for again", |s| {
            let seen = s.proxy.seen();
            of(&seen, "pods").count() >= 4 && of(&seen, "persistentvolumeclaims").count() >= 4
        })
        .await;
    let seen = stage.proxy.seen();
    for resource in ["pods", "persistentvolumeclaims"] {
        // What is spoilt in protobuf is asked for in JSON at once, and a stream that is spoilt is
        // followed by a list, the first time.
        let n = of(&seen, resource).count() - 2;
        let took = span(&seen, resource);
        assert!(took >= shortest(n), "{n} {resource} in {took:?}");
    }
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
    assert!(stage.inventory.count(Kind::Pod) > 0 && stage.inventory.count(Kind::Claim) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_end_at_once_or_in_garbage_do_not_make_it_spin() {
    let mut stage = Stage::live().await;
    stage.proxy.rule(|seen| match seen.is_watch() {
        true if seen.is_of("pods") => answer(""),
        true if seen.is_of("statefulsets") => answer("{\"type\":\"ADDED\",\"obj"),
        true if seen.is_of("nodes") => answer("<html>please log in</html>\n"),
        _ => Act::Pass,
    });
    stage.proxy.forget_seen();
    stage.proxy.cut();
    let resources = ["pods", "statefulsets", "nodes"];
    stage
        .until("each was asked for five times", |s| {
            let seen = s.proxy.seen();
            resources.iter().all(|r| of(&seen, r).count() >= 5)
        })
        .await;
    let seen = stage.proxy.seen();
    for resource in resources {
        let (n, took) = (of(&seen, resource).count(), span(&seen, resource));
        assert!(took >= shortest(n), "{n} {resource} in {took:?}");
    }
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ready_is_not_believed() {
    let mut stage = Stage::live().await;
    stage.proxy.rule(|seen| {
        if seen.target == "/readyz" {
            refusal(500, "InternalError")
        } else {
            Act::Pass
        }
    });
    stage.until("all is stale", Stage::all_stale).await;
    stage.proxy.rule(|_| Act::Pass);
    stage.until("all is live", Stage::all_live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_whether_it_is_ready_asks_for_the_version() {
    let mut stage = Stage::set().await;
    stage.proxy.rule(|seen| {
        if seen.target == "/readyz" {
            refusal(403, "Forbidden")
        } else {
            Act::Pass
        }
    });
    stage.read();
    stage
        .until("it answers", |s| matches!(s.beat, Some(Beat::Up { .. })))
        .await;
    stage.proxy.freeze();
    stage.until("it hangs", Stage::is_lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_dropped_ends_every_request_also_those_that_hang() {
    let mut stage = Stage::live().await;
    stage.proxy.freeze();
    stage.until("it hangs", Stage::is_lost).await;
    stage.stop();
    stage.proxy.thaw();
    let closed = stage.proxy.all_closed();
    tokio::time::timeout(Duration::from_secs(60), closed)
        .await
        .unwrap();
}
