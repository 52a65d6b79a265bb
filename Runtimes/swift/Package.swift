// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "WeirFunction",
    products: [.library(name: "WeirFunction", targets: ["WeirFunction"])],
    targets: [
        .target(name: "CWeirRunner"),
        .target(name: "WeirFunction", dependencies: ["CWeirRunner"]),
    ]
)
