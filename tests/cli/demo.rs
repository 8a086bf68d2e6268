//! First contact: the demonstration, and the commands that it ends with, run as they stand.

use crate::site::run_in;

#[test]
fn the_demonstration_ends_well_and_its_next_commands_work_as_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    // A folder that a shell must have quoted.
    let here = folder.path().join("it's a demo");
    std::fs::create_dir(&here).expect("a folder");
    let answer = run_in(&here, &["demo", "--dir", "five", "--records", "500"], &[]).expect(0);
    assert_eq!(answer.err, "");
    assert!(answer.out.contains("0 differences") && answer.out.contains(", sound"), "{answer:?}");
    let (_, next) = answer.out.split_once("Next, on the same files:\n").expect("the next commands");
    let commands: Vec<&str> = next.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert!(commands.len() >= 5 && commands.iter().filter(|c| c.contains(" archive ")).count() == 3, "{commands:?}");
    let identity = here.join("five/archive.key");
    assert!(answer.out.contains("five/archive.key"), "{answer:?}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&identity).expect("the identity").permissions());
    assert_eq!(mode & 0o777, 0o600);
    for command in commands {
        let output = std::process::Command::new("sh")
            .current_dir(&here)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(["-c", command])
            .output()
            .expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {:?} {said}", output.status.code());
    }
    run_in(&here, &["demo", "--dir", "five"], &[])
        .refused(69, "five exists already: delete it, or choose another directory with `--dir`");
}

#[test]
fn the_demonstration_speaks_french() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = run_in(folder.path(), &["demo", "--records", "300", "--lang", "fr"], &[]).expect(0).out;
    for words in ["Cinq organisations", "\u{a0}: 0\n", "entrées, journal intègre", "Ensuite, sur les mêmes fichiers\u{a0}:"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for words in [" rows", " the ", " and ", "entries", "Next", " :", " ;"] {
        assert!(!told.contains(words), "{words}: {told}");
    }
}
