//! Files outside the data directory that belong to the server alone, such as the key file.
//!
//! An unsafe file is refused: one that others can read or write, or that a backup of the data directory would copy
//! together with the data. What is written is whole or absent, and on disk when the call returns.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::{fmt, process};

use zeroize::Zeroizing;

/// Why such a file is unusable. Reveals neither its contents nor its path: clients see this too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// The path does not begin with `/`.
    NotAbsolute,
    /// It lies in the data directory.
    InDataDirectory,
    /// The operating system cannot read it.
    Unreadable(io::ErrorKind),
    /// It is a directory, a pipe or the like.
    NoFile,
    /// It does not belong to the server's user.
    Owner,
    /// Others can read or write it.
    Mode,
    /// It is longer than so many bytes.
    TooLong(usize),
}

impl FileFault {
    #[expect(clippy::needless_pass_by_value, reason = "what map_err passes")]
    fn unreadable(error: io::Error) -> Self {
        FileFault::Unreadable(error.kind())
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileFault::NotAbsolute => f.write_str("its path must be absolute"),
            FileFault::InDataDirectory => f.write_str("it must lie outside the data directory"),
            FileFault::Unreadable(kind) => write!(f, "it could not be read: {kind}"),
            FileFault::NoFile => f.write_str("it must be a regular file"),
            FileFault::Owner => f.write_str("it must belong to the user that the server runs as"),
            FileFault::Mode => f.write_str("its mode must be 0600 or 0400"),
            FileFault::TooLong(most) => write!(f, "it must have at most {most} bytes"),
        }
    }
}

/// Reads the file at this path, of at most `most` bytes, for a server with this data directory. What it held is wiped
/// from memory when the answer is dropped.
///
/// # Errors
/// [`FileFault`] says why the file is unusable; then none of it is used.
pub fn read(path: &Path, data_directory: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, FileFault> {
    if !path.is_absolute() {
        return Err(FileFault::NotAbsolute);
    }
    // PostgreSQL starts only when the server's user owns the data directory.
    let data_directory = fs::canonicalize(data_directory).map_err(FileFault::unreadable)?;
    let server = fs::metadata(&data_directory).map_err(FileFault::unreadable)?.uid();
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        // One that is to be written must not lie there either.
        Err(_) if is_below(path, &data_directory) => return Err(FileFault::InDataDirectory),
        Err(error) => return Err(FileFault::unreadable(error)),
    };
    if path.starts_with(&data_directory) {
        return Err(FileFault::InDataDirectory);
    }
    // Check before opening, since opening a pipe would wait for a writer; and check again what was opened, since the
    // name may have come to denote another file.
    check(&fs::metadata(&path).map_err(FileFault::unreadable)?, server)?;
    let file = File::open(&path).map_err(FileFault::unreadable)?;
    check(&file.metadata().map_err(FileFault::unreadable)?, server)?;
    // Reserve all the room: growing would leave secrets in freed memory.
    let mut text = Zeroizing::new(Vec::with_capacity(most + 1));
    file.take(most as u64 + 1).read_to_end(&mut text).map_err(FileFault::unreadable)?;
    if text.len() > most { Err(FileFault::TooLong(most)) } else { Ok(text) }
}

fn is_below(path: &Path, directory: &Path) -> bool {
    path.parent().and_then(|parent| fs::canonicalize(parent).ok()).is_some_and(|parent| parent.starts_with(directory))
}

/// Checks that only the server's user can read the file, and that nobody else can have put it there.
fn check(file: &Metadata, server: u32) -> Result<(), FileFault> {
    if !file.is_file() {
        Err(FileFault::NoFile)
    } else if file.uid() != server {
        Err(FileFault::Owner)
    } else if !matches!(file.permissions().mode() & 0o7777, 0o600 | 0o400) {
        Err(FileFault::Mode)
    } else {
        Ok(())
    }
}

/// The new content of a file, on disk under another name until it takes the place of the file.
pub struct Prepared {
    file: PathBuf,
    new: PathBuf,
}

impl Prepared {
    /// Writes it beside the file, of a name that no other process writes.
    ///
    /// # Errors
    /// What the operating system says, as of a directory that the server may not write.
    pub fn write(file: &Path, content: &[u8]) -> io::Result<Self> {
        let mut new = OsString::from(file);
        new.push(format!(".{}", process::id()));
        let prepared = Prepared { file: file.to_owned(), new: PathBuf::from(new) };
        // One that a process of this number has left behind may have any mode.
        let _ = fs::remove_file(&prepared.new);
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&prepared.new)?;
        new.write_all(content)?;
        new.sync_all()?;
        Ok(prepared)
    }

    /// Puts it in the place of the file.
    ///
    /// # Errors
    /// What the operating system says; the file then is as it was.
    pub fn put(self) -> io::Result<()> {
        fs::rename(&self.new, &self.file)?;
        match self.file.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// What has not taken the file's place is removed.
impl Drop for Prepared {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.new);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const MOST: usize = 1000;

    /// A temporary directory with a data directory, removed when dropped.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tokenauth-private-file-{name}-{}", process::id()));
            fs::create_dir_all(path.join("data")).unwrap();
            Place(path)
        }

        fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let path = self.0.join(name);
            // A read-only file is in the way, unless the user is root.
            let _ = fs::remove_file(&path);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        fn fault(&self, path: &Path) -> Option<FileFault> {
            read(path, &self.0.join("data"), MOST).err()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_a_file_that_nobody_else_can_read_is_read() {
        let place = Place::new("mode");
        for mode in [0o600, 0o400] {
            assert_eq!(place.fault(&place.write("file", "text", mode)), None);
        }
        for mode in [0o640, 0o604, 0o700, 0o620, 0o4600] {
            assert_eq!(place.fault(&place.write("file", "text", mode)), Some(FileFault::Mode));
        }
    }

    #[test]
    fn a_file_in_the_data_directory_is_refused_however_it_is_named() {
        let place = Place::new("data");
        let inside = place.write("data/file", "text", 0o600);
        assert_eq!(place.fault(&inside), Some(FileFault::InDataDirectory));
        assert_eq!(place.fault(&place.0.join("data/../data/file")), Some(FileFault::InDataDirectory));
        assert_eq!(place.fault(&place.0.join("data/absent")), Some(FileFault::InDataDirectory));
        symlink(&inside, place.0.join("link")).unwrap();
        assert_eq!(place.fault(&place.0.join("link")), Some(FileFault::InDataDirectory));
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let place = Place::new("no-file");
        assert_eq!(place.fault(Path::new("file")), Some(FileFault::NotAbsolute));
        assert_eq!(place.fault(&place.0.join("absent")), Some(FileFault::Unreadable(io::ErrorKind::NotFound)));
        assert_eq!(place.fault(&std::env::temp_dir()), Some(FileFault::NoFile));
        assert_eq!(place.fault(Path::new("/dev/null")), Some(FileFault::NoFile));
        let long = "#".repeat(MOST + 1);
        assert_eq!(place.fault(&place.write("long", &long, 0o600)), Some(FileFault::TooLong(MOST)));
        assert_eq!(place.fault(&place.write("long", &long[1..], 0o600)), None);
    }

    #[test]
    fn what_is_prepared_takes_the_place_of_the_file_or_leaves_nothing() {
        let place = Place::new("prepared");
        let file = place.write("file", "old", 0o400);
        let names = || fs::read_dir(&place.0).unwrap().count();
        let before = names();
        drop(Prepared::write(&file, b"given up").unwrap());
        assert_eq!((fs::read(&file).unwrap(), names()), (b"old".to_vec(), before));
        Prepared::write(&file, b"new").unwrap().put().unwrap();
        assert_eq!((fs::read(&file).unwrap(), names()), (b"new".to_vec(), before));
        assert_eq!(place.fault(&file), None);
        assert!(Prepared::write(&place.0.join("absent/file"), b"new").is_err());
    }
}
