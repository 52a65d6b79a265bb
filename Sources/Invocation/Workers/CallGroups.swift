internal import CloudEvents
internal import Functions

/// Calls of one request taken apart by key, each group in its order.
///
/// A function whose runs are limited by key must not get calls of different keys as one job; calls of the same key keep
/// their order.
struct CallGroups: Sendable {
    struct Group: Sendable {
        var key: String?
        var calls: [FunctionCall] = []
        /// Where the calls stood in the request.
        var places: [Int] = []
    }

    private(set) var groups: [Group] = []
    private let count: Int

    /// `nil` when the calls need not be told apart: nothing is looked at.
    init?(_ calls: [FunctionCall], of version: FunctionVersion) {
        let scaling = version.limits.scaling
        guard scaling.runsPerKey != nil else { return nil }
        count = calls.count
        var indexes: [String: Int] = [:]
        for (place, call) in calls.enumerated() {
            let key = CallKey.value(of: call, scaling.key)
            let index: Int
            if let key, let known = indexes[key] {
                index = known
            } else {
                index = groups.count
                // What has no key waits for nobody.
                groups.append(Group(key: key))
                if let key { indexes[key] = index }
            }
            groups[index].calls.append(call)
            groups[index].places.append(place)
        }
    }

    /// The answers of the groups in the order of the calls.
    func inOrder(_ answers: [[Activation]]) -> [Activation] {
        var all = [Activation?](repeating: nil, count: count)
        for (group, activations) in zip(groups, answers) {
            for (place, activation) in zip(group.places, activations) { all[place] = activation }
        }
        return all.compactMap { $0 }
    }
}

/// The key of a call.
enum CallKey {
    /// The value of an attribute of the event, or of a member of the arguments; by default what events are ordered by:
    /// `partitionkey`, else subject, else source. `nil`: the call has none.
    static func value(of call: FunctionCall, _ name: String?) -> String? {
        switch call.input {
        case .event(let record):
            return record.withView { view in
                if var name {
                    return name.withUTF8 { view.attribute(UnsafeRawBufferPointer($0)) }
                        .map { String(decoding: $0, as: UTF8.self) }
                }
                return view.string("partitionkey") ?? view.string("subject") ?? view.string("source")
            }
        case .arguments(let object):
            guard let name else { return nil }
            switch object[name] {
            case .string(let text): return text
            case .integer(let number): return String(number)
            case .bool(let value): return String(value)
            default: return nil
            }
        case .list: return nil
        }
    }
}
