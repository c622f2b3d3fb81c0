//! Roles, what they may execute, and the extension as it is installed.

pub mod authorization;
pub mod citus;
pub mod extension;
pub mod init_privileges;
pub mod library;
pub mod privileges;
pub mod role;
