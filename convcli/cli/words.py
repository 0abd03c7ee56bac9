"""What other programs call commands, options and what they choose from, and what these are called here.

The answers are read as those of `convcli.spec.words`. Nothing loads this before something is wrong.
"""

from __future__ import annotations

from convcli.spec.words import Word, lookup

COMMANDS = (
    Word("convert magick mogrify filter run process conv convolve im ffmpeg vips gm", "apply", "apply filters"),
    Word("info identify describe inspect get cat print explain params", "show", "show tells of a kernel"),
    Word("ls kernels names filters", "list", "list tells all kernels"),
    Word("cost costs count flops macs summary torchinfo stats model network nets", "compare", "compare counts"),
    Word("bench benchmark time timing profile speed", "compare --time", "compare --time measures"),
    Word("plot visualize visualise view picture", "draw kernel", "draw kernel draws one"),
    Word("cmp idiff metric psnr rmse difference", "diff", "diff compares pictures"),
    Word("completions autocomplete complete", "completion", "completion prints it"),
    Word("manual manpage docs", "man", "man prints the manual"),
    Word("ffprobe", "show", "show tells of a kernel"),
    Word("netron", "compare", "compare lists the layers of a network"),
    Word("export dump tojson to-json", "show --json", "show --json has all numbers"),
    Word("onnx", "import", "import makes a network file"),
    Word("version v", "--version", "--version tells it"),
    Word("usage ? help", "--help", "--help tells it"),
)

OWN_COMMANDS = (Word("compare diff draw list show import", "", ""),)

OPTIONS = (
    Word("gray grey grayscale greyscale monochrome bw", "-k grey", "grey is a kernel"),
    Word("colorspace colourspace", "-k {grey}", "grey is a kernel", 1),
    Word("luma luminance lightness", "--channels luma", "brightness alone is --channels luma"),
    Word("rgb color colour", "--channels r,g,b", "channels are named by --channels"),
    Word("sigma radius length angle spacing frequency wavelength", ":{name}={number}",
         "what a kernel takes follows its name", 1),
    Word("stride strides dilation border padding amount", ":{name}={value}", "fields follow a kernel's name", 1),
    Word("size ksize kernel-size k-size window", ":radius={half}", "the size of a kernel is 2 * radius + 1", 1),
    Word("normalize normalise auto-level autolevel", "--range rescale",
         "of the result that is --range rescale, of weights their field divisor: sum"),
    Word("abs absolute magnitude", "--range abs", "that is --range abs"),
    Word("clamp saturate", "--range clip", "that is --range clip"),
    Word("bias grey-offset", "--range offset", "grey for 0 is --range offset", "?"),
    Word("strength opacity mix blend intensity", "--amount {value}", "that is --amount", 1),
    Word("force yes y f replace", "--overwrite", "that is --overwrite"),
    Word("no-clobber noclobber keep-existing", "", "files are never replaced without --overwrite"),
    Word("output-dir outdir out-dir output-folder dest destination dst save-to target", "-o {folder}",
         "-o takes a folder/, too", 1),
    Word("out outfile output-file output-path write save", "-o {value}", "that is -o", 1),
    Word("input in infile input-file i src source image file", "{value}", "inputs are written without an option", 1),
    Word("i inplace overwrite-original", "--in-place", "that is --in-place"),
    Word("filter kern k type operation op effect preset vkernel", "-k {kernel}", "that is -k", 1),
    Word("vf filter_complex lavfi filter:v", "-k {chain}", "a filter is -k NAME:field=value", 1),
    Word("blur gaussian-blur gaussian gaussblur gblur gauss soften smooth", "-k gaussian{sigma}",
         "a blur is -k gaussian:sigma=N", "?"),
    Word("box-blur boxblur box mean average", "-k box{size}", "a box is -k box:size=N", "?"),
    Word("sharpen sharp", "-k {sharpen}", "that is a kernel", "?"),
    Word("unsharp unsharp-mask usm", "-k unsharp{geometry}", "that is a kernel", "?"),
    Word("edge edges edge-detect find-edges sobel", "-k sobel", "that is a kernel", "?"),
    Word("emboss", "-k emboss", "that is a kernel", "?"),
    Word("laplacian laplace", "-k laplacian", "that is a kernel", "?"),
    Word("motion-blur motion", "-k {motion}", "that is a kernel", "?"),
    Word("resize scale thumbnail sample zoom geometry", "-k {factor}", "kernels change sizes by whole factors", 1),
    Word("convolve matrix weights kernel-matrix", "-k {value}", "numbers are a kernel: -k '[[...], [...]]'", 1),
    Word("morphology", "-k {morphology}", "-k takes the kernel", 2),
    Word("set", "", "kernels take such settings as fields", 2),
    Word("define", "", "kernels take such settings as fields, encoders by -O", 1),
    Word("repeat iterations times passes", "*{value}", "a kernel runs again where -k is there again", 1),
    Word("jpeg-quality qscale q:v compression-quality", "--quality {value}", "that is --quality", 1),
    Word("threads workers parallel processes cores n-jobs num-workers", "--jobs {value}", "that is --jobs", 1),
    Word("edge-mode padding-mode border-mode border-type mode boundary extend pad-mode",
         "--border {border}", "what lies outside is --border", 1),
    Word("virtual-pixel", "--border {pixels}", "what lies outside is --border", 1),
    Word("no-alpha drop-alpha alpha-off", "--alpha drop", "that is --alpha drop"),
    Word("keep-alpha preserve-alpha", "--alpha keep", "that is --alpha keep"),
    Word("flatten", "--background white", "that is --background"),
    Word("gamma linear-light linear-rgb srgb", "--linear", "that is --linear"),
    Word("verbose v debug progress stats", "--report", "a report on stderr is --report"),
    Word("s", "--size {hxw}", "that is --size", 1),
    Word("s", ":sigma={number}", "what a kernel takes follows its name", 1),
    Word("silent s no-warnings", "--quiet", "that is --quiet"),
    Word("recurse R subfolders", "--recursive", "that is --recursive"),
    Word("dry simulate preview test n check", "--dry-run", "that is --dry-run"),
    Word("gpu cuda opencl fast", "", "there is no such choice: processors compute"),
    Word("device backend", "", "there is no such choice: processors compute", 1),
    Word("strip no-metadata", "", "metadata stay; an output without any is .npy or .ppm"),
    Word("extension ext file-type output-format", "--format {value}", "that is --format", 1),
    Word("csv markdown plain table", "--format {name}", "that is --format"),
    Word("md", "--format markdown", "that is --format"),
    Word("flops params parameters macs memory receptive-field", "", "that is always there"),
    Word("input-size input-shape shape resolution-hw", "--size {hxw}", "that is --size HxW", 1),
    Word("benchmark bench speed timing measure", "--time", "that is --time"),
    Word("plot chart figure", "--draw {value}", "that is --draw", 1),
    Word("all long l a values numbers full names list", "", "that is always there"),
    Word("k", "--kernel-size {number}", "that is --kernel-size", 1),
    Word("k kernel filter", "{value}", "kernels are written without an option here", 1),
    Word("metric", "", "all measures are there: RMSE, PSNR, largest and mean", 1),
    Word("psnr rmse mse mae metrics", "", "that is always there"),
    Word("threshold tol fuzz atol", "--tolerance {value}", "that is --tolerance", 1),
    Word("bit-depth bits dtype", "--depth {depth}", "that is --depth", 1),
    Word("bg", "--background {value}", "that is --background", 1),
    Word("show open view display", "-o -", "-o - shows the picture on a terminal"),
    Word("roi crop", "--region {region}", "what is filtered of a picture is --region", 1),
    Word("verbose-help usage ? help-all", "--help", "that is --help"),
)  # fmt: skip

#: What `list` is asked for.
GROUPS = (
    Word("kernels kernel all filters filter types names everything any * available", "", ""),
    Word("blurs blurring smoothing smooth lowpass", "blur", ""),
    Word("sharpening sharp", "sharpen", ""),
    Word("edge-detection edge-detect gradients derivatives", "edges", ""),
    Word("resizing scaling scale resampling upsampling downsampling", "resize", ""),
    Word("warps warping distort distortion", "warp", ""),
    Word("color colors colours grayscale greyscale gray", "colour", ""),
    Word("formats format extensions codecs", "--formats", ""),
    Word("mine personal custom user", "own", ""),
    Word("artistic art painting effects", "paint", ""),
)  # fmt: skip

#: What `draw` draws, with a kernel that shows it where none is named.
FIGURES = (
    Word("maps map heatmap feature-maps feature-map featuremaps activations activation features", "draw sheet",
         "maps are panels of a sheet"),
    Word("montage grid contact-sheet collage gallery before-after side-by-side diff difference results", "draw sheet",
         "that is a sheet"),
    Word("response frequency frequency-response gain spectrum fft bode weights matrix values", "draw kernel sharpen",
         "weights and gain by frequency are of draw kernel"),
    Word("transposed upsampling deconv transpose", "draw steps upsample-bilinear-2x", "steps show how it moves"),
    Word("dilated atrous dilation", "draw steps dilated-laplacian", "steps show how it moves"),
    Word("strided stride", "draw steps sharpen --stride 2", "steps show how it moves"),
    Word("animation animate gif movie video sliding slide convolution conv arithmetic", "draw steps sharpen",
         "steps move where the file does: .gif, .webp, .svg"),
    Word("deformable deform sampling points samples", "draw taps swirl", "taps show where it reads"),
    Word("receptive-field rf receptive erf", "draw field", "that is field"),
    Word("offset flow arrows displacement vectors", "draw offsets swirl", "that is offsets"),
    Word("depthwise depthwise-separable separable layer", "draw layers", "that is layers"),
    Word("cost costs bars chart compare flops", "compare --draw costs.svg", "costs are drawn by compare"),
    Word("network net architecture graph model", "compare", "compare lists the layers of a network"),
)  # fmt: skip

#: What is chosen from, by other programs' words.
CHOICES = (
    Word("absolute magnitude", "abs", ""),
    Word("normalize normalise stretch minmax", "rescale", ""),
    Word("bias grey gray", "offset", ""),
    Word("raw none signed", "float", ""),
    Word("clamp saturate", "clip", ""),
    Word("uint8 8bit 8-bit byte", "8", ""),
    Word("uint16 16bit 16-bit", "16", ""),
    Word("float32 float64 32 f32", "float", ""),
    Word("add plus", "sum", ""),
    Word("subtract minus", "difference", ""),
    Word("average avg", "mean", ""),
    Word("norm hypot l2 rms euclidean", "magnitude", ""),
    Word("lighten maximum", "max", ""),
    Word("darken minimum", "min", ""),
    Word("fft dft", "fourier", ""),
    Word("separable", "passes", ""),
    Word("naive spatial", "direct", ""),
    Word("ignore remove off no strip", "drop", ""),
    Word("preserve copy", "keep", ""),
    Word("text txt ascii", "plain", ""),
    Word("md", "markdown", ""),
    Word("jpg", "jpeg", ""),
)


def group(word: str) -> str:
    """What `list` looks for by a word: a group by its other names; nothing where all kernels are meant."""
    row = lookup(word, GROUPS)
    return row.answer if row else word.lower()
