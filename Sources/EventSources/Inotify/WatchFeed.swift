/// Where news about directories come from: the kernel, or a script in a test.
package protocol WatchFeed: Sendable {
    /// Watches one directory and returns the number under which its news come. The same directory gives the same number.
    func watch(_ path: String, _ mask: InotifyMask) throws(WatchError) -> Int32

    func unwatch(_ watch: Int32)

    /// The next news, at least one unless the time is over; `nil` when the feed is closed.
    func next(waitingAtMost limit: Duration?) async throws(SourceError) -> [InotifyRecord]?

    /// Ends the feed; a waiting `next` returns.
    func close()
}

/// Why a directory cannot be watched.
package enum WatchError: Error, Sendable, Hashable {
    /// It is gone, or is no directory.
    case gone
    case forbidden
    /// `fs.inotify.max_user_watches` is reached.
    case limit
    case other(Int32)
}
