import Jobs
import Models

/// A part of the parameters that the optimizer updates independently of the others.
struct UpdateUnit: Equatable {
    enum Kind: Equatable {
        case adamW(isDecayed: Bool)
        /// A whole matrix, because Muon's update of each element depends on all of them.
        case muon(ParameterLayout.Entry)
    }

    var kind: Kind
    /// The elements in the arena, including the gaps after tensors that AdamW updates, which stay zero.
    var range: Range<Int>

    /// Floating-point operations of Muon's update; 0 for AdamW, whose update is limited by memory.
    var operations: Int {
        guard case .muon(let entry) = kind else { return 0 }
        let (small, large) = (entry.shape.min()!, entry.shape.max()!)
        return 5 * (3 * large * small * small + small * small * small)
    }
}

/// Divides the updates of the parameters among ranks: each part of the parameters is updated by one rank.
struct UpdateUnits {
    /// All parts, in the order of the arena.
    let units: [UpdateUnit]
    /// The rank that updates each part.
    let owners: [Int]
    let ranks: Int

    /// Largest number of elements of an AdamW unit: a multiple of the tiles that `adamWUpdate` divides its work into, so
    /// that a unit has the same tiles as the whole.
    private static let adamWElements = 1 << 16

    init(layout: ParameterLayout, recipe: Recipe, ranks: Int) {
        var units: [UpdateUnit] = []
        for stretch in Self.stretches(layout, recipe) {
            guard case .adamW = stretch.kind else {
                units.append(stretch)
                continue
            }
            for start in stride(from: stretch.range.lowerBound, to: stretch.range.upperBound, by: Self.adamWElements) {
                let end = min(start + Self.adamWElements, stretch.range.upperBound)
                units.append(UpdateUnit(kind: stretch.kind, range: start..<end))
            }
        }
        self.units = units
        self.ranks = ranks
        owners = Self.owners(of: units, ranks: ranks)
    }

    /// Returns Muon's matrices, and the longest ranges between them that AdamW updates with or without decay.
    private static func stretches(_ layout: ParameterLayout, _ recipe: Recipe) -> [UpdateUnit] {
        let ends = layout.entries.dropFirst().map(\.offset) + [layout.storageCount]
        var stretches: [UpdateUnit] = []
        for (entry, end) in zip(layout.entries, ends) {
            if Optimizer.usesMuon(entry, recipe) {
                stretches.append(UpdateUnit(kind: .muon(entry), range: entry.offset..<entry.offset + entry.count))
                continue
            }
            let kind = UpdateUnit.Kind.adamW(isDecayed: entry.isDecayed)
            if let last = stretches.last, last.kind == kind, last.range.upperBound == entry.offset {
                stretches[stretches.count - 1].range = last.range.lowerBound..<end
            } else {
                stretches.append(UpdateUnit(kind: kind, range: entry.offset..<end))
            }
        }
        return stretches
    }

    /// Distributes Muon's matrices by their operations, and then the rest so that all ranks have about the same number of
    /// elements, which they receive and send in each step.
    private static func owners(of units: [UpdateUnit], ranks: Int) -> [Int] {
        var owners = [Int](repeating: 0, count: units.count)
        guard ranks > 1 else { return owners }
        var operations = [Int](repeating: 0, count: ranks)
        var elements = [Int](repeating: 0, count: ranks)
        let muon = units.indices.filter { units[$0].operations > 0 }
        for index in muon.sorted(by: { (units[$1].operations, $0) < (units[$0].operations, $1) }) {
            let rank = operations.indices.min { operations[$0] < operations[$1] }!
            owners[index] = rank
            operations[rank] += units[index].operations
            elements[rank] += units[index].range.count
        }
        let share = units.reduce(0) { $0 + $1.range.count } / ranks
        var rank = 0
        for index in units.indices where units[index].operations == 0 {
            while rank < ranks - 1, elements[rank] + units[index].range.count / 2 > share { rank += 1 }
            owners[index] = rank
            elements[rank] += units[index].range.count
        }
        return owners
    }

    /// Returns the elements of a rank as the longest ranges.
    /// - Parameter isWanted: selects units by their kind
    func ranges(ofRank rank: Int, where isWanted: (UpdateUnit.Kind) -> Bool = { _ in true }) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for (unit, owner) in zip(units, owners) where owner == rank && isWanted(unit.kind) {
            if let last = ranges.last, last.upperBound == unit.range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<unit.range.upperBound
            } else {
                ranges.append(unit.range)
            }
        }
        return ranges
    }

    /// Returns the updates of a rank. Neighboring AdamW units are joined, so that one update has work for all threads.
    func updates(ofRank rank: Int) -> [UpdateUnit] {
        var updates: [UpdateUnit] = []
        for (unit, owner) in zip(units, owners) where owner == rank {
            if let last = updates.last, last.kind == unit.kind, last.range.upperBound == unit.range.lowerBound {
                updates[updates.count - 1].range = last.range.lowerBound..<unit.range.upperBound
            } else {
                updates.append(unit)
            }
        }
        return updates
    }
}
