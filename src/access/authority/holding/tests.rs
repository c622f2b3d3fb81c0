//! What is passed on never exceeds what it was passed on by, whatever becomes of owners and ceilings afterwards.

use pgrx::datum::Interval;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::model::error_style::ErrorStyle;
use crate::token::Prefix;

fn scopes(texts: &[&str]) -> Scopes {
    Scopes::parse(texts.iter().map(|text| text.as_bytes())).unwrap()
}

fn sites(sites: &[&str]) -> DataScopes {
    DataScopes::parse(&json!({ "site": sites })).unwrap()
}

/// What can change after a token was handed out.
#[derive(Clone, Debug)]
struct World {
    owners: [(Scopes, DataScopes); 2],
    ceilings: [Option<Scopes>; 2],
}

/// A token, or what one would be. Kinds and owners are numbered.
#[derive(Clone, Debug)]
struct TestToken {
    kind: usize,
    owner: usize,
    extent: Extent,
}

/// What a token grants.
struct Granted(Scopes, DataScopes);

impl Granted {
    fn within(&self, other: &Granted) -> bool {
        self.0.within(&other.0) && self.1.within(&other.1)
    }
}

impl World {
    fn kind(&self, modes: [PermissionMode; 2], number: usize) -> Kind {
        Kind {
            name: ["first", "second"][number].into(),
            prefix: Prefix::parse(b"p_").unwrap(),
            owner_types: Vec::new(),
            permission_mode: modes[number],
            ceiling: self.ceilings[number].clone(),
            default_lifetime: None,
            max_lifetime: None,
            max_grace: Interval::new(0, 30, 0).unwrap(),
            lifetime_required: false,
            name_required: false,
            dies_with_owner: false,
            expired_editable: false,
            reveal: false,
            self_service: true,
            issue_permission: None,
            manage_permission: None,
            max_active_per_owner: None,
            rate: None,
            error_style: ErrorStyle::Uniform,
            max_age: None,
            max_idle: None,
            closed: false,
            derivable: false,
            max_derived_lifetime: Interval::new(0, 0, 1).unwrap(),
        }
    }

    fn owned(&self, number: usize) -> Owned<'_> {
        let (permissions, data_scopes) = &self.owners[number];
        Owned { permissions, data_scopes }
    }

    /// What verification answers for the token.
    fn granted(&self, modes: [PermissionMode; 2], token: &TestToken) -> Granted {
        let (kind, owned) = (self.kind(modes, token.kind), self.owned(token.owner));
        let Grant { scopes, data_scopes } = &token.extent.grant;
        Granted(
            kind.effective_scopes(scopes.as_ref(), owned.permissions),
            kind.effective_data_scopes(data_scopes.as_ref(), owned.data_scopes),
        )
    }

    /// What who presents this token holds with regard to an owner.
    fn holding(&self, modes: [PermissionMode; 2], presented: &TestToken, owner: usize) -> Holding {
        let Granted(scopes, data_scopes) = self.granted(modes, presented);
        let kind = self.kind(modes, presented.kind).name;
        let presented_token = ActingToken { kind, extent: presented.extent.clone() };
        Holding {
            is_owner: presented.owner == owner,
            is_member: false,
            scopes,
            data_scopes,
            presented: Some(Rc::new(presented_token)),
        }
    }

    /// As [`holding`](Self::holding), for a principal that acts by itself; `more` is what its membership adds.
    fn holding_itself(&self, actor: usize, owner: usize, more: &Scopes) -> Holding {
        let (permissions, data_scopes) = &self.owners[actor];
        let scopes = if actor == owner { permissions.clone() } else { permissions.union(more) };
        Holding {
            is_owner: actor == owner,
            is_member: false,
            scopes,
            data_scopes: data_scopes.clone(),
            presented: None,
        }
    }
}

/// Whether the holder may hand out or revive the token as it is.
fn hands_out(holding: &Holding, world: &World, modes: [PermissionMode; 2], token: &TestToken) -> bool {
    let kind = world.kind(modes, token.kind);
    holding.covers_always(&kind, &token.extent.grant, world.owned(token.owner)).is_ok()
        && holding.end(token.extent.expires_at, false).is_ok()
        && holding.admits(token.extent.networks.as_ref()).is_ok()
}

fn any_scopes() -> impl Strategy<Value = Scopes> {
    let patterns = select(vec!["a", "b", "c", "x:a", "x:*", "*:a", "*"]);
    vec(patterns, 0..4).prop_map(|patterns| scopes(&patterns))
}

fn any_data_scopes() -> impl Strategy<Value = DataScopes> {
    let values = select(vec![json!([]), json!(["nyc"]), json!(["lon"]), json!(["lon", "nyc"])]);
    let dimension = select(vec!["site", "rack", "*"]);
    vec((dimension, values), 0..3).prop_map(|dimensions| {
        let object = dimensions.into_iter().map(|(dimension, values)| (dimension.to_owned(), values));
        DataScopes::parse(&serde_json::Value::Object(object.collect())).unwrap()
    })
}

fn any_world() -> impl Strategy<Value = World> {
    let owner = || (any_scopes(), any_data_scopes());
    let ceiling = || option::weighted(0.4, any_scopes());
    ([owner(), owner()], [ceiling(), ceiling()]).prop_map(|(owners, ceilings)| World { owners, ceilings })
}

fn any_extent() -> impl Strategy<Value = Extent> {
    let networks = vec(select(vec!["10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "::/0"]), 0..3);
    let networks = networks.prop_map(|list| Networks::stored(list.iter().map(|network| network.as_bytes())));
    let grant = (option::weighted(0.9, any_scopes()), option::weighted(0.9, any_data_scopes()));
    let expires_at = option::weighted(0.7, 1_i64..4).prop_map(|end| end.and_then(Timestamp::of_micros));
    (grant, expires_at, option::weighted(0.6, networks)).prop_map(|((scopes, data_scopes), expires_at, networks)| {
        Extent { grant: Grant { scopes, data_scopes }, expires_at, networks }
    })
}

fn any_token() -> impl Strategy<Value = TestToken> {
    (0..2_usize, 0..2_usize, any_extent()).prop_map(|(kind, owner, extent)| TestToken { kind, owner, extent })
}

fn any_modes() -> impl Strategy<Value = [PermissionMode; 2]> {
    use PermissionMode::{All, Intersect, Live, Snapshot};
    let mode = || select(vec![Intersect, Intersect, Snapshot, Live, All]);
    [mode(), mode()]
}

fn any_chosen_modes() -> impl Strategy<Value = [PermissionMode; 2]> {
    let mode = || select(vec![PermissionMode::Intersect, PermissionMode::Snapshot]);
    [mode(), mode()]
}

/// A token that is often only a little different from another, so that it is often within it.
fn near(other: &TestToken, token: TestToken, same: [bool; 4]) -> TestToken {
    let [kind, owner, grant, rest] = same;
    TestToken {
        kind: if kind { other.kind } else { token.kind },
        owner: if owner { other.owner } else { token.owner },
        extent: Extent {
            grant: if grant { other.extent.grant.clone() } else { token.extent.grant },
            expires_at: if rest { other.extent.expires_at } else { token.extent.expires_at },
            networks: if rest { other.extent.networks.clone() } else { token.extent.networks },
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_token_outgrows_the_one_that_it_was_handed_out_by(
        modes in any_modes(),
        world in any_world(),
        presented in any_token(),
        token in any_token(),
        same: [bool; 4],
        later in vec(any_world(), 1..4),
    ) {
        let token = near(&presented, token, same);
        let holding = world.holding(modes, &presented, token.owner);
        if !hands_out(&holding, &world, modes, &token) {
            return Ok(());
        }
        prop_assert!(!token.extent.outlives(&presented.extent));
        prop_assert!(!token.extent.is_wider_than(&presented.extent));
        let then = world.granted(modes, &presented);
        for changed in [&world].into_iter().chain(&later) {
            let granted = changed.granted(modes, &token);
            prop_assert!(granted.within(&then) || granted.within(&changed.granted(modes, &presented)));
        }
    }

    #[test]
    fn an_edit_extends_a_token_in_nothing_beyond_the_one_presented(
        modes in any_modes(),
        world in any_world(),
        presented in any_token(),
        before in any_token(),
        edited in any_token(),
        same: [bool; 4],
        kept: [bool; 3],
        is_revived: bool,
        later in vec(any_world(), 1..4),
    ) {
        let before = near(&presented, before, same);
        let edited = near(&before, edited, [true, true, kept[0], kept[1]]);
        let after = TestToken { kind: before.kind, owner: before.owner, ..edited };
        let holding = world.holding(modes, &presented, before.owner);
        let kind = world.kind(modes, before.kind);
        let owned = world.owned(before.owner);
        if holding.covers_edit(&kind, &before.extent, &after.extent, owned, is_revived).is_err() {
            return Ok(());
        }
        prop_assert!(!after.extent.outlives(&before.extent) || !after.extent.outlives(&presented.extent));
        prop_assert!(!after.extent.is_wider_than(&before.extent) || !after.extent.is_wider_than(&presented.extent));
        prop_assert!(!is_revived || !after.extent.is_wider_than(&presented.extent));
        let then = world.granted(modes, &presented);
        for changed in [&world].into_iter().chain(&later).filter(|_| after.extent.exceeds(&before.extent)) {
            let granted = changed.granted(modes, &after);
            prop_assert!(granted.within(&then) || granted.within(&changed.granted(modes, &presented)));
        }
    }

    #[test]
    fn no_chosen_token_outgrows_the_principal_that_handed_it_out(
        chosen in any_chosen_modes(),
        world in any_world(),
        actor in 0..2_usize,
        membership in any_scopes(),
        token in any_token(),
        later in vec(any_world(), 1..4),
    ) {
        let holding = world.holding_itself(actor, token.owner, &membership);
        if !hands_out(&holding, &world, chosen, &token) {
            return Ok(());
        }
        let then = Granted(holding.scopes.clone(), holding.data_scopes.clone());
        for changed in [&world].into_iter().chain(&later) {
            let now = changed.holding_itself(actor, token.owner, &membership);
            let granted = changed.granted(chosen, &token);
            prop_assert!(granted.within(&then) || granted.within(&Granted(now.scopes, now.data_scopes)));
        }
    }

    #[test]
    fn a_default_end_is_cut_and_a_given_one_refused(presented in any_token(), end in option::of(1_i64..4)) {
        let world = World { owners: [nothing(), nothing()], ceilings: [None, None] };
        let holding = world.holding([PermissionMode::Intersect; 2], &presented, presented.owner);
        let end = end.and_then(Timestamp::of_micros);
        let most = presented.extent.expires_at;
        match (end, most) {
            (end, None) => prop_assert_eq!(holding.end(end, false).ok(), Some(end)),
            (Some(end), Some(most)) => {
                prop_assert_eq!(holding.end(Some(end), true).ok(), Some(Some(end.min(most))));
                prop_assert_eq!(holding.end(Some(end), false).is_ok(), end <= most);
            }
            (None, Some(_)) => prop_assert!(holding.end(None, false).is_err() && holding.end(None, true).is_err()),
        }
    }
}

fn nothing() -> (Scopes, DataScopes) {
    (Scopes::nothing(), DataScopes::nothing())
}

/// A token of the first kind and owner without end or networks.
fn token(granted: &[&str]) -> TestToken {
    let grant = Grant { scopes: Some(scopes(granted)), data_scopes: Some(sites(&["nyc"])) };
    TestToken { kind: 0, owner: 0, extent: Extent { grant, expires_at: None, networks: None } }
}

const INTERSECT: [PermissionMode; 2] = [PermissionMode::Intersect; 2];

#[test]
fn what_is_dormant_is_passed_on_only_by_what_will_grant_it_too() {
    let world = World { owners: [(scopes(&["a"]), sites(&["nyc"])), nothing()], ceilings: [None, None] };
    let (wide, narrow) = (token(&["a", "b"]), token(&["a"]));
    let hands_out = |by: &TestToken, token: &TestToken| {
        hands_out(&world.holding(INTERSECT, by, token.owner), &world, INTERSECT, token)
    };
    // The owner has lost b, so that both grant the same now.
    assert!(world.granted(INTERSECT, &wide).within(&world.granted(INTERSECT, &narrow)));
    assert!(!hands_out(&narrow, &wide));
    assert!(hands_out(&wide, &wide) && hands_out(&wide, &narrow) && hands_out(&narrow, &narrow));
    // Another kind may be given another ceiling.
    let other = TestToken { kind: 1, ..wide.clone() };
    assert!(!hands_out(&wide, &other) && !hands_out(&other, &wide));
}

#[test]
fn an_owner_that_acts_itself_passes_on_what_it_may_get_back() {
    let world = World {
        owners: [(scopes(&["a"]), sites(&["nyc"])), (scopes(&["a"]), sites(&["nyc"]))],
        ceilings: [None, None],
    };
    let wide = token(&["a", "b"]);
    let by = |actor| hands_out(&world.holding_itself(actor, wide.owner, &scopes(&[])), &world, INTERSECT, &wide);
    assert!(by(0));
    // … and nobody else does.
    assert!(!by(1));
}

#[test]
fn shortening_is_not_refused_for_what_is_dormant() {
    let world = World { owners: [(scopes(&["a"]), sites(&["nyc"])), nothing()], ceilings: [None, None] };
    let (wide, narrow) = (token(&["a", "b"]), token(&["a"]));
    let end = |end| Extent { expires_at: Timestamp::of_micros(end), ..wide.extent.clone() };
    let holding = world.holding(INTERSECT, &narrow, 0);
    let edit = |before: &Extent, after: &Extent| {
        holding.covers_edit(&world.kind(INTERSECT, 0), before, after, world.owned(0), false).is_ok()
    };
    assert!(edit(&end(2), &end(1)));
    assert!(!edit(&end(1), &end(2)));
}
