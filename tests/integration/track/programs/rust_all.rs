// SPDX-License-Identifier: Apache-2.0
//
// What Rust's standard library does with files: trees, links, threads, a child.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;

fn main() -> std::io::Result<()> {
    fs::create_dir_all("tree/a/b")?;
    fs::write("tree/a/one", "1")?;
    fs::copy("tree/a/one", "tree/a/b/two")?;
    fs::hard_link("tree/a/one", "hard")?;
    symlink("tree", "link")?;
    println!("{:?}", fs::read_link("link")?);
    println!("{}", fs::canonicalize("link/a/one")?.ends_with("tree/a/one"));
    println!("{:?}", fs::canonicalize("link/none").map_err(|e| e.kind()));
    println!("{}", fs::metadata("link")?.is_dir());
    println!("{}", fs::symlink_metadata("link")?.is_symlink());
    println!("{:?}", fs::metadata("probe").map_err(|e| e.kind()));
    let mut names: Vec<_> = fs::read_dir("tree/a")?
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    println!("{names:?}");
    fs::OpenOptions::new().append(true).create(true).open("log")?.write_all(b"x")?;
    fs::rename("log", "moved")?;
    let mut text = String::new();
    fs::File::open("input")?.read_to_string(&mut text)?;
    println!("{text}");
    let threads: Vec<_> = (0..4)
        .map(|i| thread::spawn(move || (0..50).filter(|j| fs::exists(format!("t{i}-{j}")).unwrap()).count()))
        .collect();
    for one in threads {
        println!("{}", one.join().unwrap());
    }
    let child = Command::new("cat").arg("input2").current_dir(".").output()?;
    println!("{}", String::from_utf8_lossy(&child.stdout));
    fs::remove_dir_all("tree")?;
    Ok(())
}
