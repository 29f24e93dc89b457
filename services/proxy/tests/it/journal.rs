//! The usage journal as an operator knows it: durability, a full disk, and what is done with an orphaned folder.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use maas_bus::InProcessBus;
use maas_events::usage::Quality;
use maas_proxy::{ProxySettings, journal_command, settings::JournalDurability};
use maas_runtime::process::Process;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    http::{Connection, PATIENCE},
    ingest::{Books, Ingest},
    world::{Setup, World, copy_folder},
};

const MIB: u64 = 1024 * 1024;
/// Longer than the open streams take, and shorter than their ends are held back.
const ENDS_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test]
async fn with_durability_host_answers_are_the_same_and_nothing_is_lost() {
    let world = World::with_settings(|settings| settings.journal_durability = JournalDurability::Host).await;
    let answer = world.chat("chat", "").id("whole").send().await;
    assert_eq!((answer.status, answer.json()["choices"].as_array().unwrap().len()), (200, 1));
    assert_eq!(world.stream("chat", "").id("stream").send().await.words(), 4);
    assert_eq!(world.chat("dead", "").id("error").send().await.status, 502);
    let refused = world.chat("disabled", "").send().await;
    assert!(refused.status >= 400);
    let mut left = world.stream("chat", "chunk-delay-300").id("left").open().await;
    left.until("steady").await;
    drop(left);
    for (id, outcome) in [("whole", "success"), ("stream", "success"), ("error", "upstream_error")] {
        assert_eq!(world.event(id).await.outcome, outcome, "{id}");
    }
    assert_eq!(world.event("left").await.outcome, "client_cancelled");
    assert_eq!(world.finish().await.len(), 4);
}

#[tokio::test]
async fn a_full_disk_refuses_requests_until_there_is_room_and_settles_what_is_open() {
    let Some(disk) = SmallDisk::mount() else { return };
    let world = World::with_settings(disk.settings()).await;
    let mut open = world.stream("chat", "chunk-delay-300").id("open").open().await;
    open.until("steady").await;
    // Nothing at all is left but the ballast.
    let filler = disk.fill();
    let full = |answer: &crate::http::Answer| answer.status == 503;
    let answer = world.eventually_answers(world.chat("chat", ""), full).await;
    assert_eq!(answer.error(), (503, "metering_unavailable".to_owned()));
    assert_eq!(open.rest().await.words(), 4, "the client gets its answer");

    std::fs::remove_file(filler).unwrap();
    world.eventually_answers(world.chat("chat", "").id("again"), |answer| answer.status == 200).await;
    let event = world.event("open").await;
    assert_eq!((event.outcome.as_str(), event.tokens.unwrap().output), ("success", 4));
    world.event("again").await;
    world.finish().await;
}

#[tokio::test]
async fn streams_that_end_on_a_full_disk_are_booked_with_their_tokens_after_a_kill() {
    let Some(disk) = SmallDisk::mount() else { return };
    let first = World::with(disk.setup()).await;
    let streams = open_streams(&first, "chunk-delay-300").await;
    disk.fill();
    for (_, stream) in streams {
        assert_eq!(stream.rest().await.words(), 4);
    }

    let second = after_a_kill(&disk).await;
    for id in stream_ids() {
        let event = second.event(&id).await;
        assert_eq!((event.outcome.as_str(), event.quality()), ("success", Quality::Exact), "{id}");
        assert_eq!(event.tokens.unwrap().output, 4, "{id}");
    }
}

#[tokio::test]
async fn who_has_the_end_of_a_stream_is_booked_also_when_the_room_of_the_ballast_is_taken() {
    let Some(disk) = SmallDisk::mount() else { return };
    let first = World::with(disk.setup()).await;
    let mut streams = open_streams(&first, "chunk-delay-1000").await;
    let filler = disk.fill();
    first.eventually_answers(first.chat("chat", ""), |answer| answer.status == 503).await;
    let second_filler = disk.fill();

    let has_end = |stream| async move { timeout(ENDS_WITHIN, Connection::until(stream, "[DONE]")).await.is_ok() };
    let have_ends = join_all(streams.iter_mut().map(|(_, stream)| has_end(stream))).await;
    assert!(have_ends.contains(&false), "all ends are given away");
    let second = after_a_kill(&disk).await;
    for ((id, _), has_end) in streams.iter().zip(have_ends) {
        let outcome = second.event(id).await.outcome;
        assert!(outcome == "success" || (outcome == "interrupted" && !has_end), "{id}: {outcome}");
    }

    [filler, second_filler].iter().for_each(|filler| std::fs::remove_file(filler).unwrap());
    for (_, stream) in &mut streams {
        stream.until("[DONE]").await;
    }
    let second = after_a_kill(&disk).await;
    for id in stream_ids() {
        assert_eq!(second.event(&id).await.tokens.unwrap().output, 4, "{id}");
    }
}

#[tokio::test]
async fn an_orphaned_journal_is_shown_and_replayed() {
    let first = World::with(Setup { without_ingest: true, ..Setup::default() }).await;
    assert_eq!(first.chat("chat", "").id("settled").send().await.status, 200);
    let mut streaming = first.stream("chat", "fault-stall").id("streaming").open().await;
    streaming.until("rivers").await;
    assert!(shown(&first.journal_dir).is_err(), "a proxy has it");
    let orphan = tempfile::tempdir().unwrap();
    copy_folder(&first.journal_dir, orphan.path());

    let text = shown(orphan.path()).unwrap();
    assert!(text.contains("open: 1\n") && text.contains("settled: 1 to 1"), "{text}");
    let (bus, books) = (InProcessBus::new(), Arc::new(Books::default()));
    Ingest::start(&bus, books.clone()).await;
    replayed(orphan.path(), bus.clone()).await.unwrap();
    let mut events: Vec<_> = books.events().into_iter().map(|event| (event.request_id, event.outcome)).collect();
    events.sort();
    assert_eq!(
        events,
        [("settled".to_owned(), "success".to_owned()), ("streaming".to_owned(), "interrupted".to_owned())]
    );
    books.sources().values().for_each(|source| source.assert_complete());

    // Once more changes nothing.
    assert!(shown(orphan.path()).unwrap().contains("0 to be shipped"));
    replayed(orphan.path(), bus).await.unwrap();
    assert_eq!(books.events().len(), 2);
}

#[tokio::test]
async fn a_replay_that_nobody_commits_gives_up_and_loses_nothing() {
    let first = World::with(Setup { without_ingest: true, ..Setup::default() }).await;
    assert_eq!(first.chat("chat", "").id("settled").send().await.status, 200);
    let orphan = tempfile::tempdir().unwrap();
    copy_folder(&first.journal_dir, orphan.path());
    let error = replayed(orphan.path(), InProcessBus::new()).await.unwrap_err();
    assert!(error.to_string().contains("1 events of 1 sources are not committed"), "{error}");
    assert!(shown(orphan.path()).unwrap().contains("1 to be shipped"));
}

#[tokio::test]
async fn a_folder_that_is_no_journal_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let error = shown(folder.path()).unwrap_err();
    assert!(error.contains("is not a journal"), "{error}");
    assert!(replayed(folder.path(), InProcessBus::new()).await.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn shown(folder: &Path) -> Result<String, String> {
    let mut out = Vec::new();
    journal_command::show(folder, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

async fn replayed(folder: &Path, bus: InProcessBus) -> Result<(), maas_runtime::exit::StartError> {
    let process = Process::new().unwrap();
    let give_up_after = Duration::from_secs(2);
    let mut out = std::io::sink();
    let replay = journal_command::replay(folder, Arc::new(bus), &process, give_up_after, &mut out);
    timeout(2 * PATIENCE, replay).await.unwrap()
}

/// So many that their settlements do not fit in what is left of a page of the disk.
fn stream_ids() -> impl Iterator<Item = String> {
    (0..24).map(|number| format!("stream-{number}"))
}

/// They have begun, and end after some chunks.
async fn open_streams(world: &World, text: &str) -> Vec<(String, Connection)> {
    let mut streams = Vec::new();
    for id in stream_ids() {
        let stream = world.stream("chat", text).id(&id).open().await;
        streams.push((id, stream));
    }
    for (_, stream) in &mut streams {
        stream.until("data:").await;
    }
    streams
}

/// The files are all that the next process has.
async fn after_a_kill(disk: &SmallDisk) -> World {
    let remains = tempfile::tempdir().unwrap();
    copy_folder(&disk.journal(), remains.path());
    World::with(Setup { journal: Some(remains.path().to_owned()), ..Setup::default() }).await
}

/// A file system of a few megabytes, which needs the rights to mount one.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    #[expect(clippy::print_stderr, reason = "a test that was left out must be seen")]
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "maas-test"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        eprintln!("NOT TESTED: a full disk needs the right to mount a small one");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn journal(&self) -> PathBuf {
        self.path().join("journal")
    }

    /// A proxy whose journal is here.
    fn settings(&self) -> impl FnOnce(&mut ProxySettings) + 'static {
        let folder = self.journal();
        move |settings| {
            settings.journal_dir = folder;
            settings.journal_low_water_bytes = MIB;
        }
    }

    /// The same, of which nothing is ever committed.
    fn setup(&self) -> Setup {
        Setup { settings: vec![Box::new(self.settings())], without_ingest: true, ..Setup::default() }
    }

    /// Writes a file until nothing more fits; gives its path.
    fn fill(&self) -> PathBuf {
        let path = self.path().join(format!("filler-{}", uuid::Uuid::new_v4()));
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a worker of the proxy may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
