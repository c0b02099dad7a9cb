//! Revocation: which tokens the marketplace's backend has withdrawn from a user.
//!
//! A revocation is a moment. From then on, the user's object refuses every token that was not certainly issued
//! after it. The moment survives the user's erasure, so that no older token makes the user again.
//!
//! `iat` usually has whole seconds, so a token from the very second of the revocation may have been issued
//! before or after it. It counts as older: an attacker must not slip through, and a user who logs in again gets
//! in with a token that is at most a second younger. A token without `iat` counts as older, too. `iat` is
//! compared with our clock, so tokens slip through as long as the issuer's clock is ahead of ours.

use super::time::Millis;

const SECOND: Millis = 1_000;

/// Returns whether a revocation at `revoked_at` withdraws a token that was issued at `issued_at`.
pub fn withdraws(revoked_at: Millis, issued_at: Option<Millis>) -> bool {
    let next_second = (revoked_at / SECOND + 1).saturating_mul(SECOND);
    issued_at.is_none_or(|issued_at| issued_at < next_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_from_the_second_of_the_revocation_counts_as_older() {
        for (issued_at, is_withdrawn) in [
            (None, true),
            (Some(0), true),
            (Some(7_000), true),
            // A fraction does not help: the issuer's clock is not exactly ours.
            (Some(7_999), true),
            (Some(8_000), false),
            (Some(9_000), false),
        ] {
            for revoked_at in [7_000, 7_500, 7_999] {
                assert_eq!(
                    withdraws(revoked_at, issued_at),
                    is_withdrawn,
                    "{issued_at:?}"
                );
            }
        }
        assert!(!withdraws(6_999, Some(7_000)));
    }
}
