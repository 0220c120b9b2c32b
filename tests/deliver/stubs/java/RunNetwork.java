import android.content.res.AssetManager;
import android.os.Process;
import archspec.${Class}Network;
import java.io.*;
import java.nio.*;
import java.nio.file.*;

/** Runs the network from the assets of a folder on a photo; writes what it answers. */
class RunNetwork {
  public static void main(String[] arguments) throws IOException {
    Process.is64Bit = arguments[1].equals("64");
    byte[] rgb = Files.readAllBytes(Path.of(arguments[2]));
    int width = Integer.parseInt(arguments[3]);
    int[] argb = new int[rgb.length / 3];
    for (int i = 0; i < argb.length; i++) {
      argb[i] = (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | rgb[3 * i + 2] & 255;
    }
    try (${Class}Network network = new ${Class}Network(new AssetManager(arguments[0]))) {
      float[] values = network.run(argb, width, argb.length / width).get("echo");
      ByteBuffer out = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
      for (float v : values) out.putFloat(v);
      Files.write(Path.of(arguments[4]), out.array());
    }
  }
}
