use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tokio::time::timeout;

use super::*;

/// Longer than anything here takes, and shorter than a look without a notice.
const SOON: Duration = Duration::from_secs(8);

struct Scene {
    dir: tempfile::TempDir,
    tell: watch::Sender<Vec<Watched>>,
    changes: mpsc::Receiver<Vec<PathBuf>>,
}

impl Scene {
    /// Watches these files of a directory, as `prepare` made it.
    fn begin(names: &[&str], prepare: impl FnOnce(&Path)) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let (tell, files) = watch::channel(watched(dir.path(), names));
        let (changed, changes) = mpsc::channel(1);
        tokio::spawn(Watcher::new(files, changed).run());
        Scene { dir, tell, changes }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn changed(&mut self) -> Vec<String> {
        let changed = timeout(SOON, self.changes.recv()).await.unwrap().unwrap();
        let relative = |path: PathBuf| path.strip_prefix(self.dir.path()).unwrap().display().to_string();
        changed.into_iter().map(relative).collect()
    }

    /// Waits until the watcher waits for notices.
    async fn settled(&mut self) {
        let waiting = timeout(Duration::from_millis(100), self.changes.recv()).await;
        assert!(waiting.is_err(), "{waiting:?}");
    }
}

fn watched(directory: &Path, names: &[&str]) -> Vec<Watched> {
    let one = |name: &&str| {
        let path = directory.join(name);
        Watched {
            version: version(&path),
            path,
        }
    };
    names.iter().map(one).collect()
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn a_file_that_is_replaced_written_made_or_removed_is_said_and_its_neighbours_are_not() {
    let mut scene = Scene::begin(&["a", "b", "later"], |dir| {
        fs::write(dir.join("a"), "1").unwrap();
        fs::write(dir.join("b"), "1").unwrap();
    });
    scene.settled().await;
    replace(&scene.path("a"), "2");
    assert_eq!(scene.changed().await, ["a"]);
    fs::write(scene.path("other"), "").unwrap();
    fs::write(scene.path("b"), "22").unwrap();
    assert_eq!(scene.changed().await, ["b"]);
    replace(&scene.path("later"), "x");
    assert_eq!(scene.changed().await, ["later"]);
    fs::remove_file(scene.path("a")).unwrap();
    assert_eq!(scene.changed().await, ["a"]);
    scene.settled().await;
}

#[tokio::test]
async fn a_directory_of_links_that_is_swapped_changes_what_is_behind_them() {
    let mut scene = Scene::begin(&["psk"], |dir| {
        for (version, text) in [("..v1", "1"), ("..v2", "2")] {
            fs::create_dir(dir.join(version)).unwrap();
            fs::write(dir.join(version).join("psk"), text).unwrap();
        }
        symlink("..v1", dir.join("..data")).unwrap();
        symlink("..data/psk", dir.join("psk")).unwrap();
    });
    scene.settled().await;
    symlink("..v2", scene.path("..new")).unwrap();
    fs::rename(scene.path("..new"), scene.path("..data")).unwrap();
    assert_eq!(scene.changed().await, ["psk"]);
    // What is behind the link now is watched where it lies.
    fs::write(scene.path("..v2/psk"), "22").unwrap();
    assert_eq!(scene.changed().await, ["psk"]);
}

#[tokio::test]
async fn what_changed_between_reading_and_watching_is_found_at_once() {
    let mut scene = Scene::begin(&["a"], |dir| fs::write(dir.join("a"), "1").unwrap());
    scene.settled().await;
    let old = watched(scene.dir.path(), &["a"]);
    replace(&scene.path("a"), "2");
    assert_eq!(scene.changed().await, ["a"]);
    scene.tell.send(old).unwrap();
    assert_eq!(
        scene.changed().await,
        ["a"],
        "the gateway says that it runs with the old one"
    );
    scene.tell.send(watched(scene.dir.path(), &["a"])).unwrap();
    scene.settled().await;
}

#[tokio::test]
async fn a_directory_that_is_made_later_is_watched_once_it_is_there() {
    let mut scene = Scene::begin(&["late/psk"], |_| {});
    scene.settled().await;
    fs::create_dir(scene.path("late")).unwrap();
    // Both may come at once, or one after the other.
    sleep(SETTLE * 3).await;
    fs::write(scene.path("late/psk"), "1").unwrap();
    assert_eq!(scene.changed().await, ["late/psk"]);
}
