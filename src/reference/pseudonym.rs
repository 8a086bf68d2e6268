//! Pseudonyms, recomputed: only who may read the key in the source's database can say which one a text gets.

use sha2::{Digest as _, Sha256};

use super::value::Value;
use super::world::World;

/// The two halves of the key. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct PseudonymKey {
    /// Hashed before the text.
    pub inner: Vec<u8>,
    /// Hashed before the inner hash.
    pub outer: Vec<u8>,
}

impl std::fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PseudonymKey(_)")
    }
}

impl PseudonymKey {
    /// The stored form of a value: a [`Value::Pseudonym`] becomes its text, any other value stays what it is.
    #[must_use]
    pub fn stored(&self, value: &Value) -> Value {
        let Value::Pseudonym { of, prefix, suffix, digits } = value else { return value.clone() };
        let inner = Sha256::new().chain_update(&self.inner).chain_update(of).finalize();
        let hash = hex::encode(Sha256::new().chain_update(&self.outer).chain_update(inner).finalize());
        let kept = hash.get(..usize::from(*digits)).unwrap_or(&hash);
        Value::Text(format!("{prefix}{kept}{suffix}"))
    }

    /// A world with every pseudonym in its stored form.
    #[must_use]
    pub fn stored_world(&self, mut world: World) -> World {
        let rows = world.tables.iter_mut().flat_map(|t| t.rows.values_mut());
        rows.flatten().for_each(|value| *value = self.stored(value));
        world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart: `(printf 'i…'; printf 'Zoé') | sha256sum`, its bytes behind 64 `o` through `sha256sum` again.
    #[test]
    fn a_pseudonym_is_the_nested_hash_of_the_texts_utf_8_under_both_keys() {
        let key = PseudonymKey { inner: vec![b'i'; 64], outer: vec![b'o'; 64] };
        let of = |digits| Value::Pseudonym { prefix: "p-".into(), suffix: "@x".into(), digits, of: "Zoé".into() };
        assert!(key.stored(&of(64)) == Value::text("p-2d33f857c5ffae1cc532ead490d245434f65b9d5234a31751af6d0aa7f5a5552@x"));
        assert!(key.stored(&of(16)) == Value::text("p-2d33f857c5ffae1c@x"));
        assert!(key.stored(&Value::text("Zoé")) == Value::text("Zoé"));
        assert_eq!(format!("{key:?} {:?}", of(16)), "PseudonymKey(_) Pseudonym(_)");
    }
}
