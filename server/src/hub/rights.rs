//! Some of the capabilities, as one byte: what a peer may ask for is looked at with every message.

use mesh_protocol::capability::Capability;

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    const fn bit(capability: Capability) -> u8 {
        1 << capability as u8
    }

    /// Whether it is one of them.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & Self::bit(capability) != 0
    }

    /// Those that the other has not.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |c| self.contains(*c))
    }
}

impl FromIterator<Capability> for Rights {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |bits, c| bits | Self::bit(c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capability_is_told_from_the_others() {
        for one in Capability::ALL {
            let rights = Rights::from_iter([one]);
            assert_eq!(rights.iter().collect::<Vec<_>>(), [one]);
            assert!(rights.without(rights).is_empty());
            let all = Rights::from_iter(Capability::ALL);
            assert_eq!(all.without(rights).iter().count(), Capability::ALL.len() - 1);
        }
    }
}
