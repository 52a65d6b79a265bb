// swift-tools-version:6.2
import PackageDescription

/// Settings of every target of ours: existential types are written out, a file imports what it uses, an import is
/// internal unless a signature shows it, and a warning is an error (in our code only, dependencies are not touched).
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

func library(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], exclude: exclude,
        swiftSettings: settings)
}

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTesting = Target.Dependency.product(name: "HummingbirdTesting", package: "hummingbird")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")

let package = Package(
    name: "weir",
    products: [
        .executable(name: "weir", targets: ["weir"]),
        .executable(name: "weir-launcher", targets: ["weir-launcher"]),
        .library(name: "CloudEvents", targets: ["CloudEvents"]),
        .library(name: "StorageEvents", targets: ["StorageEvents"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/swiftlang/swift-docc-plugin.git", from: "1.5.0"),
    ],
    targets: [
        // Floors of the house, lowest first: a target depends only on those above it in this list.
        .target(name: "CLinux"),
        library("CloudEvents"),
        .systemLibrary(name: "CKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        library("Kafka", ["CloudEvents", "CKafka", "CLinux", log, deque]),
        library("Manifest", ["CloudEvents", yams]),
        library("Persistence", ["CloudEvents", grdb, log]),
        library("Identity", ["CloudEvents", "Persistence", crypto]),
        library("Channels", ["CloudEvents", "Kafka", "Manifest", "CLinux", log]),
        library("StorageEvents", ["CloudEvents"]),
        library(
            "Outbound",
            ["CloudEvents", "Kafka", "Manifest", httpClient, nioCore, nioPosix, nioHTTP1, nioSSL, crypto, log]),
        library(
            "EventSources",
            [
                "CloudEvents", "Kafka", "Manifest", "Persistence", "Channels", "StorageEvents", "Outbound", "CLinux",
                crypto, deque, log, lifecycle,
            ]),
        .target(name: "CRuntimes", exclude: ["Assets"]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        library("Functions", ["CloudEvents", "Manifest", "Persistence", "CLinux", "CZlib", crypto, log]),
        library("Staging", ["CloudEvents", "Manifest", "Channels", "Functions", "CLinux", crypto]),
        library("Egress", ["CloudEvents", "Functions", nioCore, nioPosix, log]),
        .target(name: "CSandbox"),
        .executableTarget(name: "weir-launcher", dependencies: ["CSandbox"]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        library(
            "Sandboxes",
            [
                "CloudEvents", "Manifest", "Identity", "Functions", "CSandbox", "CRuntimes", "CSeccomp", "CLinux",
                httpClient, nioCore, nioHTTP1, crypto, log, lifecycle,
            ]),
        library(
            "Invocation",
            [
                "CloudEvents", "Manifest", "Channels", "Functions", "Staging", "Egress", "Sandboxes", nioCore, nioPosix,
                nioHTTP1, log, lifecycle, deque,
            ]),
        library(
            "Delivery",
            [
                "CloudEvents", "Kafka", "Manifest", "Persistence", "Channels", "Outbound", "Invocation", "CLinux",
                httpClient, nioCore, nioHTTP1, crypto, log, lifecycle, deque, heap,
            ]),
        library(
            "WeirHTTP",
            [
                "CloudEvents", "Manifest", "Persistence", "Identity", "Channels", "EventSources", "StorageEvents",
                "Functions",
                "Staging", "Egress", "Invocation", "Delivery", hummingbird, hummingbirdCore, nioCore, nioPosix,
                nioHTTP1,
                nioHTTPTypes,
                nioHTTPTypesHTTP1, httpTypes, log, lifecycle,
            ]),
        library(
            "WeirServer",
            [
                "CLinux", "CloudEvents", "Kafka", "Manifest", "Persistence", "Identity", "Channels", "StorageEvents",
                "EventSources", "Functions",
                "Staging", "Egress", "Sandboxes", "Invocation", "Delivery", "Outbound", "WeirHTTP", hummingbird,
                httpClient, httpTypes, nioCore, nioPosix, nioHTTP1, crypto, log, lifecycle, signals,
            ]),
        .executableTarget(
            name: "weir",
            dependencies: [
                "CloudEvents", "Kafka", "Manifest", "StorageEvents", "Channels", "Invocation", "Staging", "Egress",
                "Sandboxes", "WeirServer", argumentParser, httpClient,
                nioCore,
                nioHTTP1, log, lifecycle,
            ], swiftSettings: settings),

        .executableTarget(
            name: "weir-bench",
            dependencies: [
                "CKafka", "CloudEvents", "Channels", "StorageEvents", "Functions", "Sandboxes", "Invocation",
                "Delivery",
                "WeirServer", argumentParser, httpClient, nioCore, nioPosix, nioHTTP1, log,
            ], path: "Benchmarks", swiftSettings: settings),

        .target(
            name: "TestSupport",
            dependencies: ["CloudEvents", "CKafka", "CZlib", httpClient, nioCore, nioPosix, nioHTTP1, crypto, log],
            path: "Tests/TestSupport", swiftSettings: settings),
        tests("CloudEventsTests", ["CloudEvents", yams]),
        tests("KafkaTests", ["Kafka", "CKafka", "CloudEvents", log]),
        tests("ManifestTests", ["Manifest", "CloudEvents"]),
        tests("PersistenceTests", ["Persistence", "CloudEvents", grdb]),
        tests("IdentityTests", ["Identity", "Persistence", "CloudEvents"]),
        tests("ChannelsTests", ["Channels", "Kafka", "CloudEvents", "Manifest", "CLinux", log]),
        tests("StorageEventsTests", ["StorageEvents", "CloudEvents"]),
        tests(
            "EventSourcesTests",
            [
                "EventSources", "Kafka", "Persistence", "StorageEvents", "Channels", "Outbound", "CloudEvents",
                "Manifest", log,
            ]),
        tests("OutboundTests", ["Outbound", "CloudEvents", "Manifest", log]),
        tests("FunctionsTests", ["Functions", "Persistence", "CloudEvents", "Manifest"]),
        tests("EgressTests", ["Egress", "Functions", nioCore, nioPosix, log]),
        tests("StagingTests", ["Staging", "Functions", "CloudEvents"]),
        tests(
            "SandboxesTests",
            [
                "Sandboxes", "CSandbox", "Functions", "Identity", "CloudEvents", "Manifest", "CLinux", httpClient,
                nioCore, nioPosix, nioHTTP1, log,
            ]),
        tests(
            "InvocationTests",
            [
                "Invocation", "Staging", "Sandboxes", "CSandbox", "Functions", "Channels", "CloudEvents", httpClient,
                nioCore, nioHTTP1, log,
            ]),
        tests(
            "DeliveryTests",
            [
                "Delivery", "Outbound", "Kafka", "Persistence", "Invocation", "Channels", "CloudEvents", "Manifest",
                httpClient, nioCore, nioPosix, nioHTTP1, log, lifecycle,
            ]),
        tests(
            "WeirHTTPTests",
            [
                "WeirHTTP", "CloudEvents", "Manifest", "Channels", "Invocation", hummingbird, hummingbirdTesting,
                nioCore, nioPosix, nioHTTP1, httpTypes, log, lifecycle, nioEmbedded,
            ]),
        tests(
            "IntegrationTests",
            [
                "WeirServer", "WeirHTTP", "CloudEvents", "StorageEvents", "Channels", httpClient, nioCore, nioPosix,
                nioHTTP1,
            ], exclude: ["Abuse/attempts"]),
    ],
    swiftLanguageModes: [.v6]
)
