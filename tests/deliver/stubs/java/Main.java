import archspec.*;
import java.io.*;
import java.nio.file.*;
import java.nio.*;
import java.util.Map;

/** Reads cases from the folder given: a line each, of a network, a photo's size and the files of photo and answer. */
class Main {
  interface Prepare {
    float[] of(int[] argb, int width, int height);
  }

  static final Map<String, Prepare> NETWORKS = Map.ofEntries(
$networks);

  public static void main(String[] arguments) throws IOException {
    for (String line : Files.readAllLines(Path.of(arguments[0], "cases"))) {
      String[] words = line.split(" ");
      int width = Integer.parseInt(words[1]);
      int height = Integer.parseInt(words[2]);
      byte[] rgb = Files.readAllBytes(Path.of(words[3]));
      int[] argb = new int[width * height];
      for (int i = 0; i < argb.length; i++) {
        // the alpha of every pixel is another one: it must not matter
        argb[i] = i << 24 | (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | rgb[3 * i + 2] & 255;
      }
      float[] values = NETWORKS.get(words[0]).of(argb, width, height);
      ByteBuffer out = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
      for (float v : values) out.putFloat(v);
      Files.write(Path.of(words[4]), out.array());
    }
    for (String line : Files.readAllLines(Path.of(arguments[0], "quantized"))) {
      String[] w = line.split(" ");
      System.out.println($any.quantize(
          Float.parseFloat(w[0]), Float.parseFloat(w[1]), Integer.parseInt(w[2]), Integer.parseInt(w[3]), Integer.parseInt(w[4])));
    }
  }
}
