#!/bin/sh
# Apply kernels to the samples as a shell script does it, and check that every result is there.
#
#     sh samples/batch.sh OUTDIR
#
# Needs `convcli` on the PATH. OUTDIR is made when missing; what a former run left there is overwritten.
set -eu

[ "$#" -eq 1 ] || { echo "usage: sh batch.sh OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

made() {
    for file; do
        [ -s "$out/$file" ] || { echo "batch.sh: $out/$file was not made" >&2; exit 1; }
        echo "made $file"
    done
}

run() {
    convcli apply "$@" --overwrite --quiet
}

echo "one picture, one kernel"
run scene.jpg -k sharpen -o "$out/sharp.jpg"
made sharp.jpg

echo "several pictures into a folder, 16-bit and transparent ones among them"
mkdir -p "$out/blurred"
run zone-plate.png slanted-edge.png logo.png checker.ppm float.tif -k gaussian:sigma=2 -o "$out/blurred/"
made blurred/zone-plate.png blurred/slanted-edge.png blurred/logo.png blurred/checker.ppm blurred/float.tif

echo "names from a template"
for kernel in sobel-x upsample-bilinear-2x swirl; do
    run pond.png noisy.png -k "$kernel" -o "$out/{stem}-{kernel}{ext}"
    made "pond-$kernel.png" "noisy-$kernel.png"
done

echo "kernels in a chain"
run noisy.png -k gaussian:sigma=1 -k unsharp -k downsample-2x -o "$out/chain.png"
made chain.png

echo "a pipe from stdin to stdout"
convcli apply - -k luma -o - --format png < scene.jpg | convcli apply - -k disk:radius=3 -o - --format png > "$out/piped.png"
made piped.png

echo "signed results, shown as absolute values or around the middle"
run scene.jpg -k sobel-y --range abs -o "$out/edges.png"
run scene.jpg -k laplacian-of-gaussian --range rescale -o "$out/blobs.png"
made edges.png blobs.png

echo "kernels of our own"
run scene.jpg -k kernels/relief.yaml -o "$out/relief.png"
run scene.jpg -k kernels/tent.yaml -o "$out/tent.png"
run scene.jpg -k kernels/wide-edge.yaml -o "$out/wide-edge.png"
run scene.jpg -k kernels/sepia.yaml -o "$out/sepia.png"
run pond.png -k kernels/enlarge-4x.yaml -o "$out/pond-4x.png"
run scene.jpg -k kernels/half-lanczos.yaml -o "$out/half.png"
run checker.ppm -k kernels/foveate.yaml -o "$out/foveate.png"
run pond.png -k ripple -o "$out/ripple.png"
run scene.jpg -k '{weights: [[1, 1, 1]], divisor: sum}' -o "$out/inline.png"
made relief.png tent.png wide-edge.png sepia.png pond-4x.png half.png foveate.png ripple.png inline.png

echo "arrays: a signal, a volume, feature maps, and a picture through a filter bank"
run signal.npy -k kernels/smooth-signal.yaml -o "$out/signal.npy"
run volume.npy -k kernels/smooth-volume.yaml --layout zyx -o "$out/volume.npy"
run features.npy -k kernels/pairs.yaml -o "$out/pairs.npy"
run scene.jpg -k kernels/conv1.yaml --range float -o "$out/conv1.npy"
made signal.npy volume.npy pairs.npy conv1.npy

echo "all done: $(find "$out" -type f | wc -l | tr -d ' ') files in $out"
