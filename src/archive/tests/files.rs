//! Objects as files.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::*;

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn store() -> (tempfile::TempDir, PathBuf, Store) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let store = Store::Directory(Directory::new(&root).unwrap());
    (folder, root, store)
}

fn directory(store: &Store) -> &Directory {
    let Store::Directory(directory) = store else { panic!("a directory") };
    directory
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn an_object_is_written_once_and_closed_to_others() {
    let (_folder, root, store) = store();
    let object = name("crm/00ff/2031-12-31-1.jsonl.zst.age");
    store.put(&object, b"sealed".to_vec(), None).await.unwrap();
    assert_eq!([mode(&root), mode(&root.join("crm")), mode(&root.join("crm/00ff"))], [0o700; 3]);
    assert_eq!(mode(&root.join(object.as_str())), 0o600);
    assert_eq!(store.read(&object).await.unwrap(), b"sealed");
    assert!(store.exists(&object).await.unwrap());
    let mut read = Vec::new();
    store.reader(&object).await.unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, b"sealed");
    // Again the same: fine. Something else: refused, and the first stays.
    store.put(&object, b"sealed".to_vec(), None).await.unwrap();
    for other in [&b"sealed2"[..], b"seale", b"Sealed", b""] {
        assert!(matches!(store.put(&object, other.to_vec(), None).await, Err(StoreError::Exists(_))));
    }
    store.check(&object, &Sha256::digest(b"sealed").into()).await.unwrap();
    assert!(matches!(store.check(&object, &[0; 32]).await, Err(StoreError::Differs(_))));
    assert_eq!(directory(&store).leftovers().unwrap(), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_removed_object_takes_its_empty_directories_along() {
    let (_folder, root, store) = store();
    for object in ["crm/a/1", "crm/a/2", "crm/b/1"] {
        store.put(&name(object), vec![1], None).await.unwrap();
    }
    store.remove(&name("crm/a/1")).await.unwrap();
    assert!(root.join("crm/a").is_dir());
    store.remove(&name("crm/a/2")).await.unwrap();
    assert!(!root.join("crm/a").exists() && root.join("crm").is_dir());
    for _ in 0..2 {
        store.remove(&name("crm/b/1")).await.unwrap();
    }
    assert!(!root.join("crm").exists() && root.is_dir());
    assert!(!store.exists(&name("crm/b/1")).await.unwrap());
    assert!(matches!(store.read(&name("crm/b/1")).await, Err(StoreError::Missing(_))));
    assert!(matches!(store.check(&name("crm/b/1"), &[0; 32]).await, Err(StoreError::Missing(_))));
}

#[tokio::test]
async fn a_list_has_the_objects_of_whole_segments_in_order_and_nothing_else() {
    let (_folder, root, store) = store();
    for (object, size) in [("crm/b/1", 3), ("crm/a/2", 2), ("crm2/a/1", 1), ("top", 0)] {
        store.put(&name(object), vec![0; size], None).await.unwrap();
    }
    fs::write(root.join("crm/~unfinished"), b"x").unwrap();
    fs::create_dir(root.join("lost+found")).unwrap();
    let listed = |found: Vec<Listed>| found.into_iter().map(|l| format!("{} {}", l.name, l.size)).collect::<Vec<_>>();
    assert_eq!(listed(store.list(None).await.unwrap()), ["crm/a/2 2", "crm/b/1 3", "crm2/a/1 1", "top 0"]);
    assert_eq!(listed(store.list(Some(&name("crm"))).await.unwrap()), ["crm/a/2 2", "crm/b/1 3"]);
    assert_eq!(listed(store.list(Some(&name("no/where"))).await.unwrap()), [] as [&str; 0]);
}

#[tokio::test]
async fn no_symbolic_link_below_the_root_is_followed() {
    let (folder, root, store) = store();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(outside.join("1"), b"other").unwrap();
    symlink(&outside, root.join("crm")).unwrap();
    symlink(outside.join("1"), root.join("file")).unwrap();
    symlink(outside.join("nothing"), root.join("dangling")).unwrap();
    for object in ["crm/1", "file"] {
        let object = name(object);
        assert!(matches!(store.read(&object).await, Err(StoreError::Foreign(_))));
        assert!(matches!(store.exists(&object).await, Err(StoreError::Foreign(_))));
        assert!(matches!(store.remove(&object).await, Err(StoreError::Foreign(_))));
    }
    for object in ["crm/1", "crm/2", "file", "dangling"] {
        assert!(matches!(store.put(&name(object), b"other".to_vec(), None).await, Err(StoreError::Foreign(_))), "{object}");
    }
    assert!(matches!(store.list(None).await, Err(StoreError::Foreign(_))));
    assert!(matches!(store.list(Some(&name("crm"))).await, Err(StoreError::Foreign(_))));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(outside.join("1")).unwrap(), b"other");
}

#[tokio::test]
async fn what_is_neither_file_nor_directory_is_refused() {
    let (_folder, root, store) = store();
    fs::create_dir(root.join("directory")).unwrap();
    fs::set_permissions(root.join("directory"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(root.join("file"), b"").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    for object in ["directory", "pipe", "file/1"] {
        let object = name(object);
        assert!(matches!(store.put(&object, vec![1], None).await, Err(StoreError::Foreign(_))), "{object}");
        assert!(matches!(store.read(&object).await, Err(StoreError::Foreign(_))), "{object}");
        assert!(matches!(store.remove(&object).await, Err(StoreError::Foreign(_))), "{object}");
    }
    assert_eq!(fs::read_dir(&root).unwrap().count(), 3);
}

#[tokio::test]
async fn a_directory_that_others_may_write_is_refused() {
    let (_folder, root, store) = store();
    store.put(&name("crm/1"), vec![1], None).await.unwrap();
    for (path, mode) in [(root.clone(), 0o770), (root.clone(), 0o702), (root.join("crm"), 0o720)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(store.read(&name("crm/1")).await, Err(StoreError::Exposed { mode: found, .. }) if found == mode));
        assert!(matches!(store.put(&name("crm/2"), vec![1], None).await, Err(StoreError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Directory::new(&root), Err(StoreError::Exposed { .. })));
}

#[test]
fn a_root_below_a_directory_that_is_missing_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Directory::new(&folder.path().join("mount/archive")), Err(StoreError::Io { .. })));
    assert!(!folder.path().join("mount").exists());
}

#[tokio::test]
async fn leftovers_of_interrupted_writes_are_swept_and_those_of_running_ones_kept() {
    let (_folder, root, store) = store();
    store.put(&name("crm/1"), vec![1], None).await.unwrap();
    fs::write(root.join("~0011"), b"half").unwrap();
    fs::write(root.join("crm/~2233"), b"half").unwrap();
    let running = fs::File::create(root.join("crm/~4455")).unwrap();
    rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let directory = directory(&store);
    assert_eq!(directory.leftovers().unwrap(), [root.join("crm/~2233"), root.join("~0011")]);
    assert_eq!(directory.sweep(None).unwrap(), 2);
    assert_eq!(directory.leftovers().unwrap().len(), 0);
    assert!(root.join("crm/~4455").exists());
    drop(running);
    assert_eq!((directory.sweep(None).unwrap(), directory.sweep(None).unwrap()), (1, 0));
    assert_eq!(store.list(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_probe_leaves_nothing_and_says_what_fails() {
    let (_folder, root, store) = store();
    store.probe().await.unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    fs::remove_dir(&root).unwrap();
    assert!(matches!(store.probe().await, Err(StoreError::Io { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_removers_beside_each_other_lose_nothing() {
    let (_folder, _root, store) = store();
    let tasks: Vec<_> = (0..8_u8)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    // All in one directory, which is empty again and again.
                    let object = name(&format!("crm/batch/{task}"));
                    store.put(&object, vec![task, round], None).await.unwrap();
                    assert_eq!(store.read(&object).await.unwrap(), [task, round]);
                    store.remove(&object).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.list(None).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_writers_of_one_name_one_wins_whole() {
    let (_folder, _root, store) = store();
    for round in 0..20 {
        let object = name(&format!("crm/{round}"));
        let put = |byte: u8| {
            let (store, object) = (store.clone(), object.clone());
            tokio::spawn(async move { store.put(&object, vec![byte; 50_000], None).await })
        };
        let tasks = [put(1), put(2), put(1)];
        let mut won = Vec::new();
        for (task, byte) in tasks.into_iter().zip([1, 2, 1]) {
            match task.await.unwrap() {
                Ok(()) => won.push(byte),
                Err(error) => assert!(matches!(error, StoreError::Exists(_)), "{error}"),
            }
        }
        won.dedup();
        assert_eq!(won.len(), 1);
        assert_eq!(store.read(&object).await.unwrap(), vec![won[0]; 50_000]);
    }
    assert_eq!(directory(&store).leftovers().unwrap().len(), 0);
}
