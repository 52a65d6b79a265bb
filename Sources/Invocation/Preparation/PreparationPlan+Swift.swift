internal import Foundation
internal import Functions
internal import Sandboxes

extension PreparationPlan {
    /// Builds a program of Swift sources: of a package, or of all `.swift` files as one module.
    ///
    /// The Swift library is linked into the program, so that it runs in a root that has none.
    static func swift(
        _ order: PreparationOrder, _ paths: PreparationPaths, toolchain: Interpreter,
        _ configuration: PreparationConfiguration
    ) throws(FunctionError) -> PreparationPlan {
        var plan = PreparationPlan(
            kind: .program,
            key: ["swift", toolchain.version, paths.runnersKey, order.product ?? "", order.content]
                .joined(separator: "\u{0}"),
            steps: [])
        if order.files.contains("Package.swift") {
            plan.copiesCode = .toScratch
            plan.steps = [package(order, paths, toolchain, usesNetwork: configuration.installs != .none)]
        } else {
            plan.steps = try files(order, paths, toolchain)
        }
        return plan
    }

    private static func files(
        _ order: PreparationOrder, _ paths: PreparationPaths, _ toolchain: Interpreter
    ) throws(FunctionError) -> [Step] {
        let sources = order.files.filter { $0.hasSuffix(".swift") }
        // A file with its own top-level code is a script; one with @main is not.
        var hasMain = false
        for source in sources {
            guard let bytes = FileManager.default.contents(atPath: order.directory + "/" + source) else {
                throw FunctionError(.storage, "the code's file \(source) cannot be read back")
            }
            hasMain = hasMain || String(decoding: bytes, as: UTF8.self).contains("@main")
        }
        let library = paths.runners.directory + "/swift/Sources"
        let shim = library + "/CWeirRunner"
        let folder = FolderPath.parent(toolchain.program)
        let object = paths.scratch + "/WeirFunction.o"
        let shimObject = paths.scratch + "/CWeirRunner.o"
        func step(_ name: String, _ arguments: [String]) -> Step {
            Step(name: name, arguments: arguments, folders: toolchain.folders)
        }
        return [
            step(
                "clang",
                [folder + "/clang", "-c", "-O2", "-I", shim + "/include", shim + "/runner.c", "-o", shimObject]),
            step(
                "swiftc",
                [
                    toolchain.program, "-O", "-wmo", "-parse-as-library", "-swift-version", "6", "-module-name",
                    "WeirFunction", "-emit-module", "-emit-module-path", paths.scratch + "/WeirFunction.swiftmodule",
                    "-emit-object", "-o", object, "-I", shim + "/include",
                ] + RunnerFiles.swiftSources.map { "\(library)/WeirFunction/\($0)" }),
            step(
                "swiftc",
                [toolchain.program, "-O", "-wmo", "-swift-version", "6", "-module-name", "Function"]
                    + (hasMain ? ["-parse-as-library"] : [])
                    + ["-I", paths.scratch, "-I", shim + "/include", "-static-stdlib"]
                    + sources.map { "\(paths.code)/\($0)" }
                    + [object, shimObject, "-o", "\(paths.output)/\(FunctionVersion.Layer.programName)"]),
        ]
    }

    /// A package names the library by its path, `WeirFunction`, which is laid beside it.
    private static func package(
        _ order: PreparationOrder, _ paths: PreparationPaths, _ toolchain: Interpreter, usesNetwork: Bool
    ) -> Step {
        let script = """
            set -e
            cd "$1"
            swift=$2 library=$3 target=$4 product=$5
            [ -e WeirFunction ] || { cp -r "$library" WeirFunction; chmod -R u+w WeirFunction; }
            build() {
                "$swift" build -c release --static-swift-stdlib --scratch-path "$HOME/build" "$@"
            }
            build ${product:+--product "$product"}
            folder=$(build --show-bin-path)
            if [ -z "$product" ]; then
                for file in "$folder"/*; do
                    [ -f "$file" ] && [ -x "$file" ] || continue
                    case $file in *.so | *.build | *.swiftmodule) continue ;; esac
                    if [ -n "$product" ]; then
                        echo "the package has several programs: name one as handler" >&2
                        exit 1
                    fi
                    product=${file##*/}
                done
                [ -n "$product" ] || { echo "the package has no program" >&2; exit 1; }
            fi
            cp "$folder/$product" "$target"
            """
        return Step(
            name: "swift build",
            arguments: [
                "/bin/sh", "-c", script, "build", paths.scratch + "/code",
                FolderPath.parent(toolchain.program) + "/swift",
                paths.runners.directory + "/swift", "\(paths.output)/\(FunctionVersion.Layer.programName)",
                order.product ?? "",
            ], usesNetwork: usesNetwork, folders: toolchain.folders)
    }
}
