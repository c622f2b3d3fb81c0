//! Why a server that may have come back from a backup verifies nothing.

use std::io;

use pgrx::PgSqlErrorCode;

use super::parts::{ErrorParts, sentence, unready};
use crate::pg::process::private_file::FileFault;

/// The server is fenced, or its fence file is not as it should be.
#[derive(Debug)]
pub enum FenceError {
    /// The server does not have in its past what the file says: up to `written`, if that is known and of this cluster.
    Behind { written: Option<String>, is_of_another_cluster: bool, here: String, is_recovering: bool },
    /// The file cannot be used.
    File(FileFault),
    /// The file is not one of ours, or not whole.
    Malformed,
    /// This is a standby, and its primary is fenced.
    OfPrimary,
    /// There is no file.
    Missing,
    /// The file cannot be written.
    Unwritable(io::ErrorKind),
    /// Another server has written this into the file since this one began.
    OfAnother(String),
    /// That the server is fenced cannot be noted in its data directory.
    Unmarked(io::ErrorKind),
}

impl FenceError {
    pub(super) fn parts(&self) -> ErrorParts {
        match self {
            Self::Behind { written, is_of_another_cluster, here, is_recovering } => {
                let known = match written {
                    Some(written) => format!("The cluster had come to {written}, says the fence file"),
                    None if *is_of_another_cluster => "The fence file is of another cluster".to_owned(),
                    None => "It was found so before, and nobody has accepted it".to_owned(),
                };
                unready("server has come back older than it was: what died since may be alive in it")
                    .detail(format!("{known}; this server is at {here} and does not have that in its past."))
                    .hint(if *is_recovering {
                        "Recovery has not come so far yet. If it ends before, see tokenauth.accept_restore()."
                    } else {
                        "Import the revocations that were exported since the backup with \
                         tokenauth.import_revocations(), then use tokenauth.accept_restore()."
                    })
            }
            Self::File(fault) => unusable().detail(sentence(fault)),
            Self::Malformed => unusable().detail("It is not whole, or was not written by this extension."),
            Self::OfPrimary => unready("server has come back older than it was: what died since may be alive in it")
                .detail("Its primary was found so, and nobody has accepted that, as far as this standby has replayed.")
                .hint("Use tokenauth.accept_restore() on the primary."),
            Self::Missing => ErrorParts::new(PgSqlErrorCode::ERRCODE_UNDEFINED_FILE, "there is no fence file")
                .detail("It is written now. Whether the server was restored cannot be told.")
                .hint("This is as it should be when tokenauth.fence_file is new."),
            Self::Unwritable(kind) => unready("fence file cannot be written")
                .detail(sentence(kind))
                .hint("The server's user must be able to write the directory of what tokenauth.fence_file names."),
            Self::OfAnother(written) => unready("another server writes the fence file")
                .detail(format!("It says {written}, which this server has not written."))
                .hint("End this server or the other one, or give them different files."),
            Self::Unmarked(kind) => unready("that this server is fenced cannot be noted in its data directory")
                .detail(sentence(kind))
                .hint("Do not restart it before tokenauth.accept_restore()."),
        }
    }
}

fn unusable() -> ErrorParts {
    unready("fence file cannot be used").hint(
        "The setting tokenauth.fence_file names it; put it right, or after having looked at what the server has, \
         remove the file, and use tokenauth.accept_restore().",
    )
}
