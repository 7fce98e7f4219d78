//! What an action asks of samples: read anew each time.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join};
use jiff::Timestamp;

use super::poll::Settings;
use super::{answer, locate, look_back, once, queries};
use crate::cluster::fault::{Fault, FaultKind};
use crate::cluster::perform::Figures;
use crate::domain::key::ObjectKey;
use crate::domain::metric::{Metrics, MetricsChange};

/// Samples of where `settings` point to, or of the chosen candidate.
pub fn figures(settings: Settings, candidate: Option<String>) -> Arc<dyn Figures> {
    Arc::new(Source {
        settings,
        candidate,
    })
}

struct Source {
    settings: Settings,
    candidate: Option<String>,
}

impl Figures for Source {
    fn read(&self) -> BoxFuture<'_, Metrics> {
        async move {
            let past = look_back(&self.settings, self.candidate.as_deref()).await;
            let mut metrics = once(self.settings.clone()).await;
            metrics.apply(MetricsChange::Past(past));
            metrics
        }
        .boxed()
    }

    fn file_system(
        &self,
        claim: ObjectKey,
    ) -> BoxFuture<'_, Result<Option<(u64, Timestamp)>, Fault>> {
        self.capacity(claim).boxed()
    }
}

impl Source {
    async fn capacity(&self, claim: ObjectKey) -> Result<Option<(u64, Timestamp)>, Fault> {
        let nobody = |why: String| {
            let next = "set metrics.prometheus in the configuration";
            Fault::new(FaultKind::NotFound, why, next)
        };
        let settings = &self.settings.config.metrics;
        if !settings.enabled {
            return Err(nobody("metrics.enabled is false".to_owned()));
        }
        let found = locate(&self.settings, self.candidate.as_deref()).await?;
        let endpoint = found.endpoint().map_err(nobody)?;
        let (bytes, at) = queries::capacity_of_claim(&claim.namespace, &claim.name);
        let answers = try_join(
            endpoint.query(&bytes, settings.timeout),
            endpoint.query(&at, settings.timeout),
        );
        let (bytes, at) = answers.await?;
        let value = |answer: answer::Answer| Some(answer::vector(answer.data).first()?.2);
        let both = value(bytes).zip(value(at).and_then(answer::moment));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and a float counts the bytes of any file system"
        )]
        Ok(both.map(|(bytes, at)| (bytes as u64, at)))
    }
}
