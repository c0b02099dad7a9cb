//! When an issuer's public keys (`JWKS_URL`) are fetched, and for how long they count.
//!
//! Invariant: strangers cannot make us flood the issuer, whatever their tokens say: fetches are
//! `JWKS_PAUSE_MS` apart. Only as long as there has never been an answer, and so nobody can be let in, they begin
//! with [`FIRST_PAUSE`], which doubles. And an issuer that is down refuses nobody whose key is known: only an answer
//! replaces keys, and without one they count for `JWKS_KEEP_MS`.

use super::config::Config;
use super::jwks::{Algorithm, KeySet, KeySetError, PublicKey};
use super::time::Millis;

/// The least time between the first two fetches, if the first one fails.
const FIRST_PAUSE: Millis = 1_000;

/// The issuer, as this isolate knows it.
#[derive(Debug, Default)]
pub struct Issuer {
    /// The keys of the last good answer, and when it arrived.
    known: Option<(KeySet, Millis)>,
    /// The last fetch.
    last: Option<Fetch>,
    /// How many fetches have begun before the first answer.
    attempts: u32,
}

/// A fetch of the keys.
#[derive(Debug, Clone, Copy)]
struct Fetch {
    began: Millis,
    state: FetchState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FetchState {
    Running,
    Answered,
    Failed,
}

/// The result of looking for a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The key.
    Known(PublicKey),
    /// A fetch that may bring the key is running.
    Running,
    /// The issuer has no such key.
    Unknown,
    /// The issuer could not be asked whether it has such a key.
    Unavailable,
}

impl Issuer {
    /// Looks for the key with this id and algorithm at time `now`.
    pub fn find(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
        config: &Config,
        now: Millis,
    ) -> Lookup {
        let counting = self
            .known
            .as_ref()
            .filter(|(_, at)| now < at + config.jwks_keep);
        if let Some(key) = counting.and_then(|(keys, _)| keys.find(key_id, algorithm)) {
            return Lookup::Known(key.clone());
        }
        match self.last {
            Some(fetch) if fetch.is_running(config, now) => Lookup::Running,
            Some(fetch) if fetch.state == FetchState::Answered => Lookup::Unknown,
            _ => Lookup::Unavailable,
        }
    }

    /// Returns whether the keys must be fetched now, because they are old or the wanted key
    /// (`is_known`: [`Self::find`] found it) is missing. If so, the fetch counts as begun.
    pub fn begin_fetch(&mut self, is_known: bool, config: &Config, now: Millis) -> bool {
        let is_old = !matches!(self.known, Some((_, at)) if now < at + config.jwks_refresh);
        let is_paused = self.last.is_some_and(|fetch| {
            fetch.is_running(config, now) || now < fetch.began + self.pause(config)
        });
        let is_due = (is_old || !is_known) && !is_paused;
        if is_due {
            self.attempts = self.attempts.saturating_add(1);
            let state = FetchState::Running;
            self.last = Some(Fetch { began: now, state });
        }
        is_due
    }

    /// Returns the least time between the last fetch and the next one.
    fn pause(&self, config: &Config) -> Millis {
        if self.known.is_some() {
            return config.jwks_pause;
        }
        let doublings = self.attempts.saturating_sub(1).min(20);
        config.jwks_pause.min(FIRST_PAUSE << doublings)
    }

    /// Takes the issuer's answer. One that is no key set is a failure.
    pub fn answered(&mut self, json: &str, now: Millis) -> Result<(), KeySetError> {
        let keys = KeySet::read(json).inspect_err(|_| self.failed())?;
        self.known = Some((keys, now));
        self.ended(FetchState::Answered);
        Ok(())
    }

    /// Records that the issuer gave no answer.
    pub fn failed(&mut self) {
        self.ended(FetchState::Failed);
    }

    fn ended(&mut self, state: FetchState) {
        self.last = self.last.map(|fetch| Fetch { state, ..fetch });
    }

    /// Returns until when the known keys count without another answer, in Unix milliseconds, if there are any.
    /// `keep` is `JWKS_KEEP_MS`.
    pub fn counts_until(&self, keep: Millis) -> Option<Millis> {
        self.known.as_ref().map(|(_, at)| at + keep)
    }
}

impl Fetch {
    /// A fetch that has not ended long after its timeout was lost with the request that began it.
    fn is_running(self, config: &Config, now: Millis) -> bool {
        self.state == FetchState::Running && now < self.began + 2 * config.jwks_timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::jwks::tests::{ED25519, set};

    const NOW: Millis = 1_800_000_000_000;
    const MINUTE: Millis = 60_000;
    const HOUR: Millis = 60 * MINUTE;

    fn config() -> Config {
        let find = |name: &str| match name {
            "JWKS_URL" => Some("https://issuer.example/keys".to_owned()),
            "API_KEY" => Some("k".repeat(32)),
            _ => None,
        };
        Config::read(find).unwrap()
    }

    /// Returns what is found at this time, and whether a fetch began.
    fn ask(issuer: &mut Issuer, key_id: &str, now: Millis) -> (Lookup, bool) {
        let config = config();
        let find = |issuer: &Issuer| issuer.find(Some(key_id), Algorithm::EdDsa, &config, now);
        let is_known = matches!(find(issuer), Lookup::Known(_));
        let began = issuer.begin_fetch(is_known, &config, now);
        (find(issuer), began)
    }

    fn is_known((lookup, began): (Lookup, bool)) -> bool {
        assert!(!began);
        matches!(lookup, Lookup::Known(_))
    }

    fn loaded(now: Millis) -> Issuer {
        let mut issuer = Issuer::default();
        assert!(ask(&mut issuer, "a", now).1);
        issuer.answered(&set(&[("a", ED25519)]), now).unwrap();
        issuer
    }

    #[test]
    fn the_first_token_has_the_keys_fetched_and_everyone_waits() {
        let mut issuer = Issuer::default();
        assert_eq!(ask(&mut issuer, "a", NOW), (Lookup::Running, true));
        assert_eq!(ask(&mut issuer, "b", NOW + 10), (Lookup::Running, false));
        issuer.answered(&set(&[("a", ED25519)]), NOW + 20).unwrap();
        assert!(is_known(ask(&mut issuer, "a", NOW + 30)));
        assert_eq!(ask(&mut issuer, "b", NOW + 30), (Lookup::Unknown, false));
    }

    #[test]
    fn an_unknown_key_has_them_fetched_again_once_in_thirty_seconds() {
        let mut issuer = loaded(NOW);
        let later = NOW + 30_000;
        assert_eq!(ask(&mut issuer, "x", later - 1), (Lookup::Unknown, false));
        assert_eq!(ask(&mut issuer, "x", later), (Lookup::Running, true));
        issuer.answered(&set(&[("a", ED25519)]), later).unwrap();
        for invented in ["x", "y", "z"] {
            let at = later + 29_999;
            assert_eq!(ask(&mut issuer, invented, at), (Lookup::Unknown, false));
        }
        assert_eq!(
            ask(&mut issuer, "y", later + 30_000),
            (Lookup::Running, true)
        );
    }

    #[test]
    fn a_rotation_refuses_nobody() {
        let mut issuer = loaded(NOW);
        let later = NOW + MINUTE;
        assert_eq!(ask(&mut issuer, "b", later), (Lookup::Running, true));
        // The old key still counts while the new one is fetched.
        assert!(is_known(ask(&mut issuer, "a", later)));
        let both = set(&[("a", ED25519), ("b", ED25519)]);
        issuer.answered(&both, later + 10).unwrap();
        assert!(is_known(ask(&mut issuer, "a", later + 20)));
        assert!(is_known(ask(&mut issuer, "b", later + 20)));
    }

    #[test]
    fn keys_are_fetched_again_when_they_are_old_and_nobody_waits_for_that() {
        let mut issuer = loaded(NOW);
        assert!(is_known(ask(&mut issuer, "a", NOW + 10 * MINUTE - 1)));
        let (lookup, began) = ask(&mut issuer, "a", NOW + 10 * MINUTE);
        assert!(began && matches!(lookup, Lookup::Known(_)));
        // A key that the issuer has withdrawn counts no longer.
        issuer
            .answered(&set(&[("b", ED25519)]), NOW + 10 * MINUTE)
            .unwrap();
        let at = NOW + 10 * MINUTE + 1;
        assert_eq!(ask(&mut issuer, "a", at), (Lookup::Unknown, false));
    }

    #[test]
    fn while_the_issuer_is_down_its_keys_count_for_a_day() {
        let mut issuer = loaded(NOW);
        assert_eq!(
            issuer.counts_until(config().jwks_keep),
            Some(NOW + 24 * HOUR)
        );
        for hour in 1..24 {
            let now = NOW + hour * HOUR;
            let (lookup, began) = ask(&mut issuer, "a", now);
            assert!(began && matches!(lookup, Lookup::Known(_)), "{hour}");
            match hour % 2 {
                0 => issuer.failed(),
                _ => assert!(issuer.answered("<html>", now).is_err()),
            }
            assert!(is_known(ask(&mut issuer, "a", now + 1)));
            // Nobody can say whether it has another key by now.
            assert_eq!(ask(&mut issuer, "b", now + 1), (Lookup::Unavailable, false));
        }
        let over = NOW + 24 * HOUR;
        assert_eq!(ask(&mut issuer, "a", over), (Lookup::Running, true));
        issuer.failed();
        assert_eq!(ask(&mut issuer, "a", over), (Lookup::Unavailable, false));
    }

    #[test]
    fn a_fetch_that_was_lost_is_not_awaited_for_ever() {
        let mut issuer = Issuer::default();
        assert!(ask(&mut issuer, "a", NOW).1);
        assert_eq!(ask(&mut issuer, "a", NOW + 9_999), (Lookup::Running, false));
        assert_eq!(ask(&mut issuer, "a", NOW + 10_000), (Lookup::Running, true));
    }

    #[test]
    fn without_any_keys_a_failed_fetch_is_soon_tried_again_and_then_less_and_less_often() {
        let mut issuer = Issuer::default();
        let mut began = NOW;
        for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(ask(&mut issuer, "a", began), (Lookup::Running, true));
            issuer.failed();
            let early = began + pause - 1;
            assert_eq!(ask(&mut issuer, "b", early), (Lookup::Unavailable, false));
            began += pause;
        }
        assert!(ask(&mut issuer, "a", began).1);
        issuer.answered(&set(&[("a", ED25519)]), began).unwrap();
        // From now on somebody can be let in, and strangers' keys are not worth a fetch.
        let early = began + 29_999;
        assert_eq!(ask(&mut issuer, "x", early), (Lookup::Unknown, false));
        assert!(ask(&mut issuer, "x", early + 1).1);
        issuer.failed();
        let early = began + 30_000 + 29_999;
        assert_eq!(ask(&mut issuer, "x", early), (Lookup::Unavailable, false));
    }
}
