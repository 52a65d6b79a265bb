import CloudEvents
import EventSources
import Foundation
import TestSupport
import Testing

@Suite struct SourceFactoryTests {
    private let headerAndLines = """
        ## remove-file-info-message $date$ [$cellType$:$cellName$:$type$] [$pnfsid$,$filesize$] [$path$] $if(storage)$$storage.storageClass$@$storage.hsm$$else$<Unknown>$endif$ {$rc$:"$message$"}
        05.20 14:12:33 [door:WebDAV-door01@webdav-door01Domain:remove] ["alice":21001:1000:unknown] [0000DEADBEEF4D454F4E9C8B7A6950413223,512] [/pnfs/desy.de/exfel/disk/user/alice/tmp.dat] <Unknown> 0 0 {0:""}
        this is no record
        05.20 14:05:00 [pool:tape03@tape03Domain:store] [0000C0FFEE5A1D4B4E2F9A6B7C8D9E0F1A2B,17179869184] [/pnfs/desy.de/exfel/raw/a.h5] exfel:raw@osm 184220 60213 {0:""}

        """

    @Test func aBillingDirectoryIsReadWithTheRealDecoderInItsZone() async throws {
        let bench = try BillingBench()
        try bench.append("2026/05/billing-2026.05.20", headerAndLines)
        let report = SourceReport()
        let spec = SourceSpec(
            kind: .dcacheBilling(BillingSpec(directory: bench.root, timezone: "Europe/Berlin")), channel: "storage")
        let source = try #require(
            try SourceFactory(store: bench.store).make(
                SourceID(namespace: "default", name: "billing"), spec,
                SourceOutput(channel: bench.channel, deadLetters: bench.deadLetters, report: report)))
        let running = Task { try await source.run() }
        try await eventually("two events and a dead letter") {
            bench.channel.count == 2 && bench.deadLetters.count == 1
        }
        running.cancel()
        _ = await running.result
        let events = bench.channel.events
        #expect(events.map(\.type) == ["dev.weir.file.deleted", "dev.weir.file.flushed"])
        #expect(events[0].time?.text.hasPrefix("2026-05-20T14:12:33") == true)
        #expect(events[0].time?.text.hasSuffix("+02:00") == true)
        #expect(bench.deadLetters.events[0]["line"] == .string("3"))
    }

    @Test func aRecordOverTwoLinesSurvivesARestartBetweenThem() async throws {
        let bench = try BillingBench()
        let spec = SourceSpec(kind: .dcacheBilling(BillingSpec(directory: bench.root)), channel: "storage")
        let first =
            "05.20 14:07:00 [pool:tape03@tape03Domain:store] [0000AA11BB22CC33DD44EE55FF6677889901,2097152] "
            + "[/pnfs/a.h5] exfel:raw@osm 120 7 {666:\"HSM script failed:\n"
        for (part, count) in [(first, 0), ("see log\"}\n", 1)] {
            try bench.append("billing-2026.05.20", part)
            let report = SourceReport()
            let source = try #require(
                try SourceFactory(store: bench.store).make(
                    SourceID(namespace: "default", name: "billing"), spec,
                    SourceOutput(channel: bench.channel, deadLetters: bench.deadLetters, report: report)))
            let running = Task { try await source.run() }
            try await eventually("the part is read") {
                bench.channel.count == count && report.snapshot.position?.hasPrefix("billing-2026.05.20, byte") == true
                    && report.snapshot.position?.hasSuffix(" 0") == false
            }
            running.cancel()
            _ = await running.result
        }
        #expect(bench.channel.events.map(\.type) == ["dev.weir.file.flush-failed"])
        #expect(bench.deadLetters.count == 0)
    }

    @Test func anUnknownZoneIsNamed() throws {
        let factory = SourceFactory(store: MemoryStore())
        #expect {
            _ = try factory.zone("Europe/Berlni")
        } throws: { error in
            "\(error)".contains("Europe/Berlni")
        }
    }
}
