//! How a setting is described, and how the server is told of it.

use std::ffi::{CStr, CString};

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

use super::{DeathCommit, Style};
use crate::pg::process::{log_hook, settings};

/// What the server is told of a setting.
pub(super) struct Setting {
    pub name: &'static CStr,
    pub short: &'static CStr,
    pub long: &'static CStr,
    pub set_by: SetBy,
    pub value: Variable,
}

/// Who sets it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SetBy {
    Anybody,
    Superusers,
    /// The configuration file, whenever it is loaded.
    Reload,
    /// The configuration file, when the server starts with the library preloaded.
    Start,
}

/// Where its value is kept, and what it may be.
pub(super) enum Variable {
    Switch(&'static GucSetting<bool>),
    Number { kept: &'static GucSetting<i32>, least: i32, most: i32, unit: GucFlags },
    Style(&'static GucSetting<Style>),
    DeathCommit(&'static GucSetting<DeathCommit>),
    HeaderName(&'static GucSetting<Option<CString>>),
    Interval(&'static GucSetting<Option<CString>>),
    KeyFile(&'static GucSetting<Option<CString>>),
    Path(&'static GucSetting<Option<CString>>),
    LogMasking(&'static GucSetting<bool>),
}

impl Setting {
    /// Defines it, once.
    pub fn define(&'static self, look_at_key_file: fn(&CStr)) {
        let &Setting { name, short, long, set_by, ref value } = self;
        let context = set_by.context();
        let flags = GucFlags::default();
        match *value {
            Variable::Switch(kept) => GucRegistry::define_bool_guc(name, short, long, kept, context, flags),
            Variable::Number { kept, least, most, unit } => {
                GucRegistry::define_int_guc(name, short, long, kept, least, most, context, unit);
            }
            Variable::Style(kept) => GucRegistry::define_enum_guc(name, short, long, kept, context, flags),
            Variable::DeathCommit(kept) => GucRegistry::define_enum_guc(name, short, long, kept, context, flags),
            Variable::HeaderName(kept) => settings::define_name(name, short, long, kept, context),
            Variable::Interval(kept) => settings::define_interval(name, short, long, kept, context),
            Variable::KeyFile(kept) => settings::define_file(name, short, long, kept, context, look_at_key_file),
            Variable::Path(kept) => {
                GucRegistry::define_string_guc(name, short, long, kept, context, GucFlags::SUPERUSER_ONLY);
            }
            Variable::LogMasking(kept) => log_hook::define_setting(name, short, long, kept, context),
        }
    }
}

impl SetBy {
    fn context(self) -> GucContext {
        match self {
            SetBy::Anybody => GucContext::Userset,
            SetBy::Superusers => GucContext::Suset,
            SetBy::Reload => GucContext::Sighup,
            SetBy::Start => GucContext::Postmaster,
        }
    }
}
