import CloudEvents
import Foundation
import Functions
import Testing
import TestSupport

@testable import Staging

/// Folders of one test: a writable mount `results`, a read-only mount `raw`, and what a run left.
struct Desk {
    let directory: TemporaryDirectory
    let results: String
    let raw: String
    let left: String
    let journal: String

    init() throws {
        directory = try TemporaryDirectory("staging")
        (results, raw) = (directory.file("results"), directory.file("raw"))
        (left, journal) = (directory.file("left"), directory.file("journal"))
        for folder in [results, raw, left] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
    }

    func write(_ path: String, _ text: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    /// All files below a folder, those on their way too.
    func files(_ folder: String) -> [String] {
        ((FileManager.default.enumerator(atPath: folder)?.allObjects as? [String]) ?? [])
            .filter { path in
                var isFolder: ObjCBool = false
                return FileManager.default.fileExists(atPath: folder + "/" + path, isDirectory: &isFolder)
                    && !isFolder.boolValue
            }.sorted()
    }

    func publisher(
        onStep: @escaping @Sendable (OutputPublisher.Step) throws(StagingError) -> Void = { _ in }
    ) throws -> OutputPublisher {
        OutputPublisher(journal: try PublishJournal(directory: journal), onStep: onStep)
    }

    func job(
        _ to: String = "{subject.stem}.json", overwrite: OutputRequest.Overwrite = .never, key: String? = "key-1",
        activation: String = "0190aa", version: String = "v1", limit: Int64 = 1 << 20,
        subject: String = "/exfel/raw/a.h5",
        provenance: OutputRequest.Provenance = .beside, mount: String? = nil
    ) throws -> OutputPublisher.Job {
        let attributes = ["subject": subject, "id": "event-1"]
        return OutputPublisher.Job(
            source: try Folder(opening: left),
            mount: StorageMount(name: "results", path: mount ?? results, isWritable: true),
            request: OutputRequest(
                mount: "results", template: try OutputTemplate(to), overwrite: overwrite, provenance: provenance,
                limit: limit),
            values: OutputTemplate.Values(
                time: EventTime(nanoseconds: 0), input: nil, activation: activation, function: "f",
                namespace: "default",
                attribute: { attributes[$0] }),
            run: RunRecord(
                namespace: "default", function: "f", version: version, parameters: ["a": 1], activation: activation,
                idempotencyKey: key, time: 1_000, event: ["id": "event-1", "subject": .string(subject)],
                inputs: [InputRecord(mount: "raw", path: "a.h5", size: 5, modified: 0, fileID: 7)]))
    }
}

/// The error that a body throws; a failure of the test when it throws none.
func stagingError(_ body: () throws -> Void, _ location: SourceLocation = #_sourceLocation) -> StagingError? {
    do {
        try body()
        Issue.record("it was taken", sourceLocation: location)
        return nil
    } catch let error as StagingError {
        return error
    } catch {
        Issue.record("another error: \(error)", sourceLocation: location)
        return nil
    }
}
