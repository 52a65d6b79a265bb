public import CloudEvents

/// Decodes a stream of bytes of one format, in pieces of any size.
///
/// The same face for every format, for the command line, standard input and files that are followed. A last line without
/// its line end waits until ``finish(into:)``.
public struct LineDecoder: Sendable {
    /// What some formats must be told.
    public struct Options: Sendable {
        /// The file's name or path; its date gives the year of billing text.
        public var fileName = ""
        /// The time zone of the billing host.
        public var zone = ZoneRules.utc
        /// Details of billing text.
        public var billing = BillingTextDecoder.Options()
        /// What the subscriptions of an event stream watch: subscription URL → path.
        public var watches: [String: String] = [:]
        /// The host of an S3 store, for the events' source.
        public var endpoint: String?
        /// The name of a system whose records do not tell it (Lustre, Rucio, Bluesky), for the events' source.
        public var system: String?
        /// Reads one JSON text of CloudEvents, an event or a batch.
        public var readCloudEvents: (@Sendable (UnsafeRawBufferPointer) throws -> [EventRecord])?
        /// The longest line or JSON text.
        public var maximumLength = 4 << 20
        public init() {}
    }

    private enum Engine: Sendable {
        case text(BillingTextDecoder)
        case json(BillingJSONDecoder)
        case s3(S3Decoder)
        /// A record a line.
        case lines(any ProducerDecoder)
        /// JSON texts, over several lines where they like.
        case documents(any ProducerDecoder)
        case events
        case stream(EventStreamParser, InotifyMapper)
    }

    private var engine: Engine
    private let options: Options
    private var partial: [UInt8] = []
    private var document = JSONGatherer()
    /// What the owner of an event stream must do since the last call; empty for other formats.
    public mutating func takeActions() -> [StreamAction] {
        guard case .stream(let parser, var mapper) = engine else { return [] }
        let actions = mapper.takeActions()
        engine = .stream(parser, mapper)
        return actions
    }

    /// The number of the line that comes next, from 1.
    public private(set) var lineNumber = 1
    private var isSkipping = false

    public init(_ format: StorageEventFormat, options: Options = Options()) {
        self.options = options
        switch format {
        case .billingText, .billing:
            engine = .text(
                BillingTextDecoder(fileName: options.fileName, zone: options.zone, options: options.billing))
        case .billingJSON: engine = .json(BillingJSONDecoder())
        case .sse:
            engine = .stream(EventStreamParser(), InotifyMapper(watches: options.watches))
        case .s3: engine = .s3(S3Decoder(endpoint: options.endpoint))
        case .eosReport: engine = .lines(EOSReportDecoder())
        case .lustreChangelog: engine = .lines(LustreChangelogDecoder(system: options.system))
        case .xrootdCollector: engine = .documents(XRootDCollectorDecoder())
        case .storageScale: engine = .documents(StorageScaleDecoder())
        case .rucio: engine = .documents(RucioDecoder(system: options.system))
        case .irodsAudit: engine = .documents(IRODSAuditDecoder())
        case .bluesky: engine = .documents(BlueskyDecoder(system: options.system))
        case .cloudEvents: engine = .events
        }
    }

    /// Whether something read waits for what comes later: a text that is not whole, half of a move. Where the input
    /// stands may be kept as a place to go on from only when nothing waits; ``settle(into:)`` is due after a quiet time.
    public var isWaiting: Bool {
        if !partial.isEmpty || !document.isEmpty { return true }
        return switch engine {
        case .documents(let decoder), .lines(let decoder): decoder.isWaiting
        case .stream(_, let mapper): mapper.isWaiting
        case .text, .json, .s3, .events: false
        }
    }

    /// Gives up waiting for the other halves of moves; what else waits goes on waiting.
    public mutating func settle(into batch: inout DecodedBatch) {
        switch engine {
        case .documents(var decoder):
            decoder.settle(into: &batch)
            engine = .documents(decoder)
        case .stream(let parser, var mapper):
            mapper.flush(into: &batch)
            engine = .stream(parser, mapper)
        case .text, .json, .s3, .lines, .events: break
        }
    }

    /// Takes bytes in; what they complete goes into `batch`.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer, into batch: inout DecodedBatch) {
        if case .stream(var parser, var mapper) = engine {
            // A stream may end its lines by CR alone, which only its own parser knows.
            engine = .events
            for message in parser.feed(bytes) { mapper.take(message, line: lineNumber, into: &batch) }
            lineNumber += bytes.count { $0 == 0x0A }
            engine = .stream(parser, mapper)
            return
        }
        var start = 0
        while let end = bytes.first(0x0A, from: start) {
            if isSkipping {
                isSkipping = false
            } else if partial.isEmpty {
                line(bytes.run(start, end), into: &batch)
            } else {
                partial.append(contentsOf: bytes.run(start, end))
                let whole = partial
                partial = []
                whole.withUnsafeBytes { line($0, into: &batch) }
            }
            lineNumber += 1
            start = end + 1
        }
        guard start < bytes.count, !isSkipping else { return }
        partial.append(contentsOf: bytes.run(start, bytes.count))
        if partial.count > options.maximumLength {
            partial.withUnsafeBytes {
                batch.failures.append(
                    DecodeFailure(
                        .tooLong, line: lineNumber, reason: "the line is longer than \(options.maximumLength) bytes",
                        raw: $0))
            }
            partial = []
            isSkipping = true
        }
    }

    /// Ends a record whose end is known from outside (a Kafka record, a request): what is not whole now never will be.
    public mutating func endRecord(into batch: inout DecodedBatch) {
        if !partial.isEmpty {
            let whole = partial
            partial = []
            whole.withUnsafeBytes { line($0, into: &batch) }
        }
        if let rest = document.take() { decode(rest.bytes, lineNumber: rest.line, into: &batch) }
    }

    /// Ends the input: a last line without its end is taken as it is, what is still open is reported.
    public mutating func finish(into batch: inout DecodedBatch) {
        if !partial.isEmpty {
            let whole = partial
            partial = []
            whole.withUnsafeBytes { line($0, into: &batch) }
        }
        switch engine {
        case .text(var decoder):
            decoder.finish(into: &batch)
            engine = .text(decoder)
        case .json, .s3, .documents, .events:
            if let rest = document.take() { decode(rest.bytes, lineNumber: rest.line, into: &batch) }
            settle(into: &batch)
        case .lines: break
        case .stream(let parser, var mapper):
            // An event that no blank line ends is not dispatched (HTML, server-sent events §9.2.6).
            mapper.flush(into: &batch)
            engine = .stream(parser, mapper)
        }
    }

    private mutating func line(_ line: Run, into batch: inout DecodedBatch) {
        switch engine {
        case .text(var decoder):
            engine = .events
            decoder.decode(line: line, lineNumber: lineNumber, into: &batch)
            engine = .text(decoder)
        case .lines(var decoder):
            if line.isBlank {
                batch.ignored += 1
                return
            }
            decoder.decode(line, lineNumber: lineNumber, into: &batch)
            engine = .lines(decoder)
        case .json, .s3, .documents, .events:
            if let broken = document.interrupted(by: line) {
                decode(broken.bytes, lineNumber: broken.line, into: &batch)
            }
            if line.isBlank, document.isEmpty {
                batch.ignored += 1
                return
            }
            if let whole = document.add(line, lineNumber: lineNumber, limit: options.maximumLength) {
                decode(whole.bytes, lineNumber: whole.line, into: &batch)
            }
        case .stream: break
        }
    }

    private mutating func decode(_ document: [UInt8], lineNumber: Int, into batch: inout DecodedBatch) {
        document.withUnsafeBytes { bytes in
            switch engine {
            case .json(var decoder):
                decoder.decode(line: bytes, lineNumber: lineNumber, into: &batch)
                engine = .json(decoder)
            case .s3(let decoder):
                decoder.decode(bytes, lineNumber: lineNumber, into: &batch)
            case .documents(var decoder):
                decoder.decode(bytes, lineNumber: lineNumber, into: &batch)
                engine = .documents(decoder)
            default:
                events(bytes, lineNumber: lineNumber, into: &batch)
            }
        }
    }

    private func events(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        do {
            guard let read = options.readCloudEvents else {
                batch.failures.append(
                    DecodeFailure(
                        .badRecord, line: lineNumber, reason: "no reader of CloudEvents was given", raw: bytes))
                return
            }
            for record in try read(bytes) {
                batch.records.append(record)
                batch.origins.append(.init(line: lineNumber, lines: 1))
            }
        } catch {
            batch.failures.append(
                DecodeFailure(.badRecord, line: lineNumber, reason: "\(error)", raw: bytes))
        }
    }
}
