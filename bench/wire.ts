/** `npm run bench -- wire` */
export async function benchWire(_args: string[]): Promise<number> {
  return 0;
}
