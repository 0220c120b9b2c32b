package archspec;

/**
 * A photo as the input of $model: the pre-processing of archspec, to the bit. Plain Java.
 *
 * <p>Photos come as they are meant to be seen: apply the EXIF orientation before. Decoders of JPEG may differ by a step
 * or two of 255; all that follows does not.
 */
public final class ${Class}Input {
  public static final int WIDTH = $width;
  public static final int HEIGHT = $height;
  public static final int CHANNELS = $channels;

  private static final String COLOR = "$color"; // rgb, bgr or gray
  private static final String RESIZE = "$resize"; // stretch, crop to the middle, or pad with black
$constants
  private static final int BITS = 22; // of the fixed-point weights of Pillow's filters

  private ${Class}Input() {}

  /** Value of a pixel of 0..255 in a channel (in the order of COLOR), as the network was trained on. */
  public static float value(int p, int c) {
    return $value;
  }

  /** A photo, ARGB by rows (Bitmap.getPixels; alpha is ignored), as HEIGHT * WIDTH * CHANNELS values. */
  public static float[] prepare(int[] argb, int width, int height) {
    byte[] pixels = pixels(argb, width, height);
    float[] values = new float[pixels.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = value(pixels[i] & 255, i % CHANNELS);
    }
    return values;
  }

  /** The step of a quantized tensor that stands for a value: half to even, clamped to low..high. */
  public static int quantize(float value, float scale, int zeroPoint, int low, int high) {
    double step = Math.rint(value / (double) scale) + zeroPoint;
    return (int) Math.max(low, Math.min(high, step));
  }

  private static byte[] pixels(int[] argb, int width, int height) {
    int[] part = {0, 0, width, height}; // left, top, right, bottom of the photo's part that is used
    int[] filled = {0, 0, WIDTH, HEIGHT}; // of the input's part that it fills
    if (RESIZE.equals("crop")) part = middle(WIDTH, HEIGHT, width, height);
    if (RESIZE.equals("pad")) filled = middle(width, height, WIDTH, HEIGHT);
    byte[] rgb = new byte[width * height * 3];
    for (int i = 0; i < width * height; i++) {
      for (int c = 0; c < 3; c++) rgb[i * 3 + c] = (byte) (argb[i] >> (16 - 8 * c));
    }
    int columns = filled[2] - filled[0];
    int rows = filled[3] - filled[1];
    byte[] resized = resample(rgb, height, width, part[0], part[2], columns);
    resized = resample(resized, columns, height, part[1], part[3], rows);
    byte[] pixels = new byte[WIDTH * HEIGHT * CHANNELS];
    for (int y = 0; y < rows; y++) {
      for (int x = 0; x < columns; x++) {
        int to = ((y + filled[1]) * WIDTH + x + filled[0]) * CHANNELS;
        color(resized, (y * columns + x) * 3, pixels, to);
      }
    }
    return pixels;
  }

  private static void color(byte[] rgb, int from, byte[] pixels, int to) {
    if (COLOR.equals("gray")) { // ITU-R 601-2 luma, as Pillow's convert("L")
      int luma = (rgb[from] & 255) * 19595 + (rgb[from + 1] & 255) * 38470 + (rgb[from + 2] & 255) * 7471;
      pixels[to] = (byte) ((luma + 0x8000) >> 16);
      return;
    }
    for (int c = 0; c < 3; c++) pixels[to + c] = rgb[from + (COLOR.equals("bgr") ? 2 - c : c)];
  }

  /** The largest box of an aspect in the middle of a frame. */
  private static int[] middle(int aspectWidth, int aspectHeight, int frameWidth, int frameHeight) {
    double scale = Math.min((double) frameWidth / aspectWidth, (double) frameHeight / aspectHeight);
    int width = Math.max(1, (int) Math.rint(aspectWidth * scale));
    int height = Math.max(1, (int) Math.rint(aspectHeight * scale));
    int left = (frameWidth - width) / 2;
    int top = (frameHeight - height) / 2;
    return new int[] {left, top, left + width, top + height};
  }

  /**
   * Pillow's BILINEAR along lines: a triangle, widened by the factor of a reduction, over from..to of `size` pixels.
   * What comes out is transposed: `count` lines, each with a pixel of every line that went in.
   */
  private static byte[] resample(byte[] rgb, int lines, int size, int from, int to, int count) {
    byte[] out = new byte[count * lines * 3];
    double scale = (double) (to - from) / count;
    double support = Math.max(scale, 1.0);
    for (int i = 0; i < count; i++) {
      double center = from + (i + 0.5) * scale;
      int first = Math.max(0, (int) (center - support + 0.5));
      int[] weights = weights(first, Math.min(size, (int) (center + support + 0.5)) - first, center, 1.0 / support);
      for (int line = 0; line < lines; line++) {
        for (int c = 0; c < 3; c++) {
          int sum = 1 << (BITS - 1);
          for (int k = 0; k < weights.length; k++) {
            sum += (rgb[(line * size + first + k) * 3 + c] & 255) * weights[k];
          }
          out[(i * lines + line) * 3 + c] = (byte) Math.max(0, Math.min(255, sum >> BITS));
        }
      }
    }
    return out;
  }

  private static int[] weights(int first, int count, double center, double narrow) {
    double[] exact = new double[count];
    double sum = 0;
    for (int k = 0; k < count; k++) {
      exact[k] = Math.max(0.0, 1.0 - Math.abs((first + k - center + 0.5) * narrow));
      sum += exact[k];
    }
    int[] weights = new int[count];
    for (int k = 0; k < count; k++) weights[k] = (int) (0.5 + exact[k] / sum * (1 << BITS));
    return weights;
  }
}
