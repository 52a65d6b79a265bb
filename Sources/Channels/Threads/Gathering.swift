import Synchronization

/// The results of batches that are written side by side.
final class Gathering: Sendable {
    private let results: Mutex<[Result<UInt64, ChannelError>?]>

    init(count: Int) { results = Mutex(Array(repeating: nil, count: count)) }

    /// Notes a result.
    ///
    /// - Returns: all results, to the caller that brought the last one.
    func add(_ index: Int, _ result: Result<UInt64, ChannelError>) -> [Result<UInt64, ChannelError>]? {
        results.withLock { results in
            results[index] = result
            let all = results.compactMap { $0 }
            return all.count == results.count ? all : nil
        }
    }
}
