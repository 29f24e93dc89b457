//! What happens in a history.

use std::io;

use crate::simulated::{Fault, Operation};

#[derive(Debug, Clone, Copy)]
pub enum Step {
    Admit {
        now: bool,
    },
    Progress {
        pick: usize,
    },
    Settle {
        pick: usize,
        now: bool,
    },
    Flush,
    /// The syncing thread has its turn.
    Sync,
    /// The next write fails after some bytes.
    WriteFails(Fault),
    Fails(Operation),
    /// Somebody else takes all room but so much.
    FillDisk {
        left: u64,
    },
    MakeRoom,
    Take {
        max: usize,
    },
    /// Everything that was taken is committed.
    Commit,
    /// The ledger is replaced by an older copy of itself.
    Restore {
        percent: u64,
    },
    Tidy,
    /// All earlier boots are shipped and committed.
    EndEarlierBoots,
    /// The process ends in the middle of a write.
    Kill {
        written: usize,
    },
    /// The machine ends, and forgets what was not synced.
    LoseMachine {
        written: usize,
    },
}

impl Step {
    pub fn random(random: &mut Random) -> Self {
        let written = random.below(300) as usize;
        match random.below(100) {
            0..20 => Self::Admit { now: random.flip() },
            20..26 => Self::Progress { pick: random.below(100) as usize },
            26..46 => Self::Settle { pick: random.below(100) as usize, now: random.flip() },
            46..53 => Self::Flush,
            53..67 => Self::Sync,
            67..71 => {
                let kind = if random.flip() { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
                Self::WriteFails(Fault { written, kind, fatal: false })
            }
            71..76 => Self::Fails(random.operation()),
            76..79 => Self::FillDisk { left: random.below(400) },
            79..81 => Self::MakeRoom,
            81..84 => Self::Take { max: 1 + random.below(5) as usize },
            84..86 => Self::Commit,
            86..88 => Self::Restore { percent: random.below(100) },
            88..93 => Self::Tidy,
            93..96 => Self::EndEarlierBoots,
            96..98 => Self::Kill { written },
            _ => Self::LoseMachine { written },
        }
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn flip(&mut self) -> bool {
        self.next() & 1 == 0
    }

    pub fn operation(&mut self) -> Operation {
        const ALL: [Operation; 10] = [
            Operation::Sync,
            Operation::Sync,
            Operation::Create,
            Operation::Read,
            Operation::Remove,
            Operation::WriteWatermarks,
            Operation::ReadWatermarks,
            Operation::List,
            Operation::MakeBallast,
            Operation::RemoveBallast,
        ];
        ALL[self.below(ALL.len() as u64) as usize]
    }
}
