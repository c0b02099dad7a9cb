use rusqlite::Connection;

use super::store::{CampaignStore, Chunk, Counts};
use super::*;

const NOW: Millis = 1_800_000_000_000;
const HOUR: Millis = 3_600_000;
const RETENTION: Millis = 90 * 24 * HOUR;
const ALLOWANCE: Allowance = Allowance {
    is_taken: false,
    left: 10,
    per_day: 20,
    rest_of_day: 7,
};

fn plan(send_at: Option<Millis>) -> Plan {
    Plan {
        campaign_id: "c".into(),
        sender_id: "s".into(),
        name: Some("May".into()),
        message: serde_json::from_str(r#"{"messageType":"text"}"#).unwrap(),
        send_at,
        created_at: NOW,
    }
}

fn running() -> Progress {
    let mut progress = Progress::new(NOW);
    progress.start(&plan(None), 5, &ALLOWANCE, NOW).unwrap();
    progress
}

fn step(progress: &Progress, now: Millis) -> Step {
    progress.step(&plan(None), now, RETENTION)
}

fn unavailable() -> EventError {
    EventError::unavailable()
}

#[test]
fn a_campaign_from_start_to_end() {
    let mut progress = Progress::new(NOW);
    assert_eq!(step(&progress, NOW), Step::Wait(NOW + RETENTION));
    progress.start(&plan(None), 5, &ALLOWANCE, NOW).unwrap();
    assert_eq!((progress.total, progress.started_at), (5, Some(NOW)));
    assert_eq!(step(&progress, NOW), Step::Send);
    progress.complete(NOW + 1);
    assert_eq!(progress.state, State::Finished);
    assert_eq!(progress.finished_at, Some(NOW + 1));
    assert_eq!(step(&progress, NOW + 1), Step::Tell);
    progress.not_told(NOW + 1);
    assert_eq!(step(&progress, NOW + 1), Step::Wait(NOW + 1_001));
    assert_eq!(step(&progress, NOW + 1_001), Step::Tell);
    progress.told();
    assert_eq!(
        step(&progress, NOW + 1_001),
        Step::Wait(NOW + 1 + RETENTION)
    );
    assert_eq!(step(&progress, NOW + 1 + RETENTION), Step::Expire);
}

#[test]
fn a_scheduled_campaign_waits_for_its_time() {
    let plan = plan(Some(NOW + HOUR));
    let mut progress = Progress::new(NOW);
    // What it may do today matters when it starts.
    progress.start(&plan, 999, &ALLOWANCE, NOW).unwrap();
    assert_eq!(progress.state, State::Scheduled);
    let step = |progress: &Progress, now| progress.step(&plan, now, RETENTION);
    assert_eq!(step(&progress, NOW), Step::Wait(NOW + HOUR));
    progress.pause(NOW).unwrap();
    assert!(progress.is_settled);
    progress.resume(&plan, &ALLOWANCE, NOW + 1).unwrap();
    assert_eq!(progress.state, State::Scheduled);
    assert_eq!(step(&progress, NOW + HOUR), Step::Begin);
    progress.begin(NOW + HOUR);
    assert_eq!(step(&progress, NOW + HOUR), Step::Send);
    // Another campaign is running.
    let error = EventError::new(ErrorCode::Conflict, "Another one");
    progress.held(&error, NOW + HOUR + 1);
    assert_eq!(progress.state, State::Scheduled);
    assert_eq!(progress.started_at, None);
    assert_eq!(progress.reason.as_deref(), Some("Another one"));
    assert_eq!(step(&progress, NOW + HOUR), Step::Wait(NOW + HOUR + 10_001));
    assert_eq!(step(&progress, NOW + HOUR + 10_001), Step::Begin);
    // If it had started before, it keeps its time.
    progress.begin(NOW + 2 * HOUR);
    progress.pause(NOW + 2 * HOUR).unwrap();
    progress
        .resume(&plan, &ALLOWANCE, NOW + 2 * HOUR + 1)
        .unwrap();
    progress.held(&error, NOW + 2 * HOUR + 2);
    assert_eq!(progress.started_at, Some(NOW + 2 * HOUR));
    // A draft that is started after its time starts at once.
    let mut late = Progress::new(NOW);
    late.start(&plan, 5, &ALLOWANCE, NOW + 2 * HOUR).unwrap();
    assert_eq!(late.state, State::Running);
}

#[test]
fn each_state_allows_what_makes_sense() {
    let plan = plan(None);
    let all = [
        (State::Draft, "start cancel"),
        (State::Scheduled, "pause cancel"),
        (State::Running, "pause cancel"),
        (State::Paused, "resume cancel"),
        (State::Finished, ""),
        (State::Cancelled, ""),
    ];
    for (state, allowed) in all {
        let of = |state| Progress {
            state,
            ..Progress::new(NOW)
        };
        let outcomes = [
            ("start", of(state).start(&plan, 1, &ALLOWANCE, NOW)),
            ("pause", of(state).pause(NOW)),
            ("resume", of(state).resume(&plan, &ALLOWANCE, NOW)),
            ("cancel", of(state).cancel(NOW)),
        ];
        let mut possible = Vec::new();
        for (name, outcome) in outcomes {
            match outcome {
                Ok(()) => possible.push(name),
                Err(error) => assert_eq!(error.code, ErrorCode::Conflict),
            }
        }
        assert_eq!(possible.join(" "), allowed, "{state:?}");
    }
    let error = running().resume(&plan, &ALLOWANCE, NOW).unwrap_err();
    assert_eq!(
        error.message,
        "A campaign that is running cannot be resumed"
    );
}

#[test]
fn a_day_has_so_many_receivers() {
    let start = |total| Progress::new(NOW).start(&plan(None), total, &ALLOWANCE, NOW);
    assert_eq!(start(10), Ok(()));
    let error = start(11).unwrap_err();
    assert_eq!(
        (error.code, error.retry_after_ms),
        (ErrorCode::RateLimited, Some(7))
    );
    assert_eq!(start(21).unwrap_err().code, ErrorCode::TooMany);
    assert_eq!(start(0).unwrap_err().code, ErrorCode::Conflict);
}

#[test]
fn one_runs_at_a_time() {
    let taken = Allowance {
        is_taken: true,
        ..ALLOWANCE
    };
    let mut progress = Progress::new(NOW);
    let error = progress.start(&plan(None), 1, &taken, NOW).unwrap_err();
    assert_eq!(error.message, "Another campaign is running");
    // One that has to wait anyway may be scheduled.
    let later = plan(Some(NOW + HOUR));
    assert_eq!(progress.start(&later, 1, &taken, NOW), Ok(()));
    let mut progress = running();
    progress.pause(NOW).unwrap();
    assert!(progress.resume(&plan(None), &taken, NOW).is_err());
    assert_eq!(progress.state, State::Paused);
}

#[test]
fn the_reply_to_a_bulk_send_is_counted() {
    let reply = r#"{"totalSent":2,"totalFailed":1,"results":[{"receiverId":"a","delivered":true},{"receiverId":"b","delivered":false}],"errors":[{"receiverId":"c","error":"x"}]}"#;
    assert_eq!(Counts::of(reply), Some(sent([2, 1, 1])));
    assert_eq!(Counts::of("{}"), None);
}

#[test]
fn whoever_stops_a_campaign_settles_the_chunk_in_progress() {
    for stop in [Progress::pause, Progress::cancel] {
        let mut progress = running();
        stop(&mut progress, NOW).unwrap();
        assert_eq!(step(&progress, NOW), Step::Settle);
        progress.failed("down", NOW, HOUR);
        assert_eq!(step(&progress, NOW), Step::Wait(NOW + 1_000));
        assert_eq!(step(&progress, NOW + 1_000), Step::Settle);
        progress.is_settled = true;
        assert_eq!(step(&progress, NOW + 1_000), Step::Tell);
    }
    // If that fails for too long, it is left to the outbox of the sender's object.
    let mut progress = running();
    progress.cancel(NOW).unwrap();
    progress.failed("down", NOW, HOUR);
    progress.failed("down", NOW + HOUR, HOUR);
    assert!(progress.is_settled);
    assert_eq!(progress.state, State::Cancelled);
}

#[test]
fn what_fails_is_tried_again_until_patience_runs_out() {
    let mut progress = running();
    let mut now = NOW;
    let mut pauses = Vec::new();
    while progress.state == State::Running {
        assert_eq!(step(&progress, now), Step::Send);
        progress.refused(&unavailable(), now, HOUR);
        if let Step::Wait(at) = step(&progress, now) {
            pauses.push(at - now);
            now = at;
        }
    }
    assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60].map(|s| s * 1_000));
    assert!((NOW + HOUR..NOW + HOUR + 60_000).contains(&now));
    assert_eq!(progress.state, State::Paused);
    assert_eq!(progress.reason, Some(unavailable().message));
    assert_eq!(step(&progress, now), Step::Tell);
    progress.told();
    progress.resume(&plan(None), &ALLOWANCE, now).unwrap();
    assert_eq!(progress.reason, None);
    // Whoever resumes it gets all of the patience again.
    progress.refused(&unavailable(), now, HOUR);
    assert_eq!(progress.state, State::Running);
}

#[test]
fn what_cannot_get_better_pauses_at_once_and_limits_are_waited_for() {
    let mut progress = running();
    progress.refused(&EventError::rate_limited("Wait", 5_000), NOW, HOUR);
    assert_eq!(step(&progress, NOW), Step::Wait(NOW + 5_000));
    assert_eq!(progress.failing_since, None);
    let forbidden = EventError::new(ErrorCode::Forbidden, "Not a contractor");
    progress.refused(&forbidden, NOW, HOUR);
    assert_eq!(progress.state, State::Paused);
    assert_eq!(progress.reason.as_deref(), Some("Not a contractor"));
}

#[test]
fn stored_json_is_pinned() {
    assert_eq!(
        super::super::error::to_json(&running()),
        r#"{"state":"running","reason":null,"total":5,"startedAt":1800000000000,"finishedAt":null,"changedAt":1800000000000,"isSettled":true,"isTold":true,"retryAt":0,"attempts":0,"failingSince":null}"#
    );
    assert_eq!(
        super::super::error::to_json(&plan(None)),
        r#"{"campaignId":"c","senderId":"s","name":"May","message":{"messageType":"text"},"sendAt":null,"createdAt":1800000000000}"#
    );
    assert_eq!(chunk_key("c", 7), "campaign:c:7");
}

fn store() -> CampaignStore<Connection> {
    let store = CampaignStore::new(Connection::open_in_memory().unwrap());
    assert!(store.campaign().unwrap().is_none());
    store.create(&plan(None), &Progress::new(NOW)).unwrap();
    store
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn sent(counts: [u64; 3]) -> Counts {
    let [sent, failed, delivered] = counts;
    Counts {
        sent,
        failed,
        delivered,
    }
}

#[test]
fn a_campaign_is_stored_once() {
    let store = store();
    store.set_progress(&running()).unwrap();
    store.create(&plan(None), &Progress::new(NOW)).unwrap();
    let (plan, progress) = store.campaign().unwrap().unwrap();
    assert_eq!(plan.message.get(), r#"{"messageType":"text"}"#);
    assert_eq!(progress, running());
}

#[test]
fn receivers_come_in_parts_and_leave_in_chunks() {
    let store = store();
    store.set_part(2, &ids(&["e", "a", "f\"", "ü"])).unwrap();
    store.set_part(0, &ids(&["x"])).unwrap();
    store.set_part(0, &ids(&["b", "a"])).unwrap();
    store.set_part(1, &ids(&["c", "b", "d"])).unwrap();
    assert_eq!(store.receivers_but(None).unwrap(), 9);
    assert_eq!(store.receivers_but(Some(2)).unwrap(), 5);
    assert_eq!(store.distinct_receivers().unwrap(), 7);
    store.make_chunks(3).unwrap();
    assert_eq!(store.receivers_but(None).unwrap(), 0);
    let mut chunks = Vec::new();
    while let Some(chunk) = store.next_chunk().unwrap() {
        // Until it has a result, it is the next.
        assert_eq!(store.next_chunk().unwrap().as_ref(), Some(&chunk));
        store
            .chunk_sent(chunk.number, sent([1, 0, 0]), "{}")
            .unwrap();
        chunks.push(chunk);
    }
    let expected = [
        (0, ids(&["b", "a", "c"])),
        (1, ids(&["d", "e", "f\""])),
        (2, ids(&["ü"])),
    ];
    let expected = expected.map(|(number, receiver_ids)| Chunk {
        number,
        receiver_ids,
    });
    assert_eq!(chunks, expected);
}

#[test]
fn a_hundred_thousand_receivers_are_two_hundred_chunks() {
    let store = store();
    for part in 0..20 {
        let part_ids: Vec<String> = (0..5_001)
            .map(|index| format!("customer-{}", u64::from(part) * 5_000 + index))
            .collect();
        store.set_part(part, &part_ids).unwrap();
    }
    assert_eq!(store.distinct_receivers().unwrap(), 100_001);
    store.make_chunks(500).unwrap();
    let mut total = 0;
    while let Some(chunk) = store.next_chunk().unwrap() {
        assert_eq!(chunk.receiver_ids[0], format!("customer-{total}"));
        total += chunk.receiver_ids.len();
        store
            .chunk_sent(chunk.number, Counts::default(), "{}")
            .unwrap();
    }
    assert_eq!(total, 100_001);
}

#[test]
fn results_are_read_a_chunk_at_a_time() {
    let store = store();
    store.set_part(0, &ids(&["a", "b", "c"])).unwrap();
    store.make_chunks(1).unwrap();
    assert_eq!(store.results(0).unwrap(), None);
    store.chunk_sent(0, sent([1, 0, 1]), "first").unwrap();
    assert_eq!(store.results(0).unwrap(), Some(("first".into(), None)));
    store.chunk_sent(1, sent([0, 1, 0]), "second").unwrap();
    // The answer to a repeat changes nothing.
    store.chunk_sent(1, sent([1, 0, 0]), "third").unwrap();
    assert_eq!(store.results(0).unwrap(), Some(("first".into(), Some(1))));
    assert_eq!(store.results(1).unwrap(), Some(("second".into(), None)));
    assert_eq!(store.results(2).unwrap(), None);
    assert_eq!(store.counts().unwrap(), sent([1, 1, 1]));
}
